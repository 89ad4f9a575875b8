//! The control leader, as far as a gateway can tell: it writes topics into the metadata store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use hop::internal::AllocateProducerIdsResponse;
use hop::{Handler, HopRequest, Request, Response, strict_quota};
use metadata::keys::{self, Key};
use metadata::model::{Assignment, Record, TopicRecord};
use metadata::settings::acl::{
    AclBinding, AclFilter, AclOperation, PatternType, Permission, ResourceType,
};
use metadata::settings::credential::{ScramCredential, ScramMechanism};
use metadata::settings::group::GroupRecord;
use metadata::settings::quota::{QuotaEntity, QuotaKey, QuotaRecord};
use metadata::settings::{SettingKey, SettingKind};
use metadata::{MetadataStore, Txn};
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::ids::{NodeId, TenantId, TopicId};
use protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use protocol::messages::create_acls_request::AclCreation;
use protocol::messages::create_acls_response::AclCreationResult;
use protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::messages::create_topics_response::CreatableTopicResult;
use protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse, CreateAclsRequest, CreateAclsResponse,
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteAclsRequest, DeleteAclsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, alter_client_quotas_response,
};

use super::EPOCH;

/// Gives every partition to the first node.
pub(crate) struct FakeControl {
    store: Arc<dyn MetadataStore>,
    next_producer_id: AtomicI64,
    /// How many requests are refused with NOT_CONTROLLER first.
    pub(crate) refusals: AtomicUsize,
    pub(crate) created: AtomicUsize,
    /// Whether each creation of topics might have been refused for a quota.
    pub(crate) strict: Mutex<Vec<bool>>,
}

impl FakeControl {
    pub(crate) fn new(store: Arc<dyn MetadataStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            next_producer_id: AtomicI64::new(0),
            refusals: AtomicUsize::new(0),
            created: AtomicUsize::new(0),
            strict: Mutex::default(),
        })
    }

    /// Writes a topic whose partitions belong to `owners`.
    pub(crate) async fn put_topic(&self, tenant: TenantId, name: &str, owners: &[i32]) -> TopicId {
        self.put_topic_with(tenant, name, owners, &[("retention.ms", "1000")]).await
    }

    /// The same with these configs.
    pub(crate) async fn put_topic_with(
        &self,
        tenant: TenantId,
        name: &str,
        owners: &[i32],
        configs: &[(&str, &str)],
    ) -> TopicId {
        let id = TopicId::random();
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.write(tenant, id, name, owners, configs.collect()).await;
        id
    }

    async fn write(
        &self,
        tenant: TenantId,
        id: TopicId,
        name: &str,
        owners: &[i32],
        configs: BTreeMap<String, String>,
    ) {
        let record = TopicRecord {
            tenant,
            id,
            name: name.to_owned(),
            partitions: i32::try_from(owners.len()).unwrap(),
            configs,
            internal: false,
            created_ms: 0,
        };
        let mut txn = Txn::new().put(Key::Topic(tenant, id), record.encode());
        for (index, owner) in (0..).zip(owners) {
            let assignment = Assignment { node: NodeId(*owner), epoch: EPOCH };
            txn = txn.put(Key::Partition(id, index), assignment.encode());
        }
        assert!(self.store.txn(txn).await.unwrap().is_committed());
    }

    async fn topic(
        &self,
        tenant: TenantId,
        wanted: impl Fn(&TopicRecord) -> bool,
    ) -> Option<TopicRecord> {
        let listing = self.store.list(&keys::topics_of(tenant)).await.unwrap();
        let records =
            listing.entries.iter().map(|entry| TopicRecord::decode(&entry.value).unwrap());
        records.into_iter().find(wanted)
    }

    async fn create(&self, tenant: TenantId, request: CreateTopicsRequest) -> CreateTopicsResponse {
        self.strict.lock().push(strict_quota::get(&request.unknown_tagged_fields));
        let mut topics = Vec::new();
        for topic in request.topics {
            let answer = CreatableTopicResult::default()
                .with_configs(Some(Vec::new()))
                .with_num_partitions(topic.num_partitions)
                .with_replication_factor(1);
            let exists = self.topic(tenant, |record| record.name == topic.name.as_str()).await;
            let code =
                if exists.is_some() { ErrorCode::TopicAlreadyExists } else { ErrorCode::None };
            if exists.is_none() && !request.validate_only {
                self.created.fetch_add(1, Ordering::SeqCst);
                let partitions = if topic.num_partitions == -1 { 3 } else { topic.num_partitions };
                let owners = vec![1; usize::try_from(partitions).unwrap()];
                self.put_topic(tenant, &topic.name, &owners).await;
            }
            topics.push(answer.with_name(topic.name).with_error_code(code.code()));
        }
        CreateTopicsResponse::default().with_topics(topics)
    }

    async fn delete(&self, tenant: TenantId, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        let mut responses = Vec::new();
        for topic in request.topics {
            assert_eq!(topic.name, None, "the hop names topics by id");
            let id = TopicId(topic.topic_id);
            let txn = Txn::new().delete(Key::Topic(tenant, id));
            assert!(self.store.txn(txn).await.unwrap().is_committed());
            responses.push(DeletableTopicResult::default().with_topic_id(id.0).with_name(None));
        }
        DeleteTopicsResponse::default().with_responses(responses)
    }

    async fn grow(
        &self,
        tenant: TenantId,
        request: CreatePartitionsRequest,
    ) -> CreatePartitionsResponse {
        let mut results = Vec::new();
        for topic in request.topics {
            let answer = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
            let known = self.topic(tenant, |record| record.name == topic.name.as_str()).await;
            results.push(match known {
                Some(record) if record.partitions < topic.count => {
                    let owners = vec![1; usize::try_from(topic.count).unwrap()];
                    self.write(tenant, record.id, &record.name, &owners, record.configs).await;
                    answer
                }
                Some(_) => answer.with_error_code(ErrorCode::InvalidPartitions.code()),
                None => answer.with_error_code(ErrorCode::UnknownTopicOrPartition.code()),
            });
        }
        CreatePartitionsResponse::default().with_results(results)
    }

    /// Sets and deletes, and knows the name of one config that there is not.
    async fn alter_configs(
        &self,
        tenant: TenantId,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let mut responses = Vec::new();
        for resource in request.resources {
            let name = resource.resource_name.clone();
            if resource.resource_type == 32 {
                self.configure_group(tenant, &resource).await;
                responses.push(AlterConfigsResourceResponse::default());
                continue;
            }
            assert_eq!(resource.resource_type, 2, "brokers are none of control's business");
            let known = self.topic(tenant, |record| record.name == name.as_str()).await;
            let code = match known {
                None => ErrorCode::UnknownTopicOrPartition,
                Some(_) if resource.configs.iter().any(|c| c.name.as_str() == "no.such") => {
                    ErrorCode::InvalidConfig
                }
                Some(mut record) => {
                    for change in resource.configs {
                        match change.value {
                            Some(value) => {
                                record.configs.insert(change.name.to_string(), value.to_string())
                            }
                            None => record.configs.remove(change.name.as_str()),
                        };
                    }
                    if !request.validate_only {
                        let txn = Txn::new().put(Key::Topic(tenant, record.id), record.encode());
                        assert!(self.store.txn(txn).await.unwrap().is_committed());
                    }
                    ErrorCode::None
                }
            };
            let answer = AlterConfigsResourceResponse::default()
                .with_resource_type(2)
                .with_resource_name(name)
                .with_error_code(code.code());
            responses.push(answer);
        }
        IncrementalAlterConfigsResponse::default().with_responses(responses)
    }

    /// Does what it is asked, and believes everything.
    async fn alter_credentials(
        &self,
        tenant: TenantId,
        request: AlterUserScramCredentialsRequest,
    ) -> AlterUserScramCredentialsResponse {
        let key = |mechanism: i8, user: &str| {
            let setting = ScramMechanism::from_number(mechanism).expect("known").setting(user);
            SettingKey::new(tenant, SettingKind::Credential, setting)
        };
        let mut users = Vec::new();
        let mut txn = Txn::new();
        for deletion in request.deletions {
            txn = txn.delete(key(deletion.mechanism, &deletion.name));
            users.push(deletion.name);
        }
        for upsertion in request.upsertions {
            let (stored_key, server_key) =
                upsertion.salted_password.split_at(upsertion.salted_password.len() / 2);
            let credential = ScramCredential {
                salt: upsertion.salt.to_vec(),
                iterations: upsertion.iterations.unsigned_abs(),
                stored_key: stored_key.to_vec(),
                server_key: server_key.to_vec(),
            };
            txn = txn.put(key(upsertion.mechanism, &upsertion.name), credential.encode());
            users.push(upsertion.name);
        }
        assert!(self.store.txn(txn).await.unwrap().is_committed());
        let results = users.into_iter();
        let results =
            results.map(|user| AlterUserScramCredentialsResult::default().with_user(user));
        AlterUserScramCredentialsResponse::default().with_results(results.collect())
    }

    async fn configure_group(&self, tenant: TenantId, resource: &AlterConfigsResource) {
        let configs = resource.configs.iter().filter_map(|config| {
            Some((config.name.to_string(), config.value.as_ref()?.to_string()))
        });
        let record = GroupRecord { configs: configs.collect() };
        let key = SettingKey::new(tenant, SettingKind::Group, resource.resource_name.as_str());
        let txn = Txn::new().put(key, record.encode());
        assert!(self.store.txn(txn).await.unwrap().is_committed());
    }

    /// Sets what is asked for, whatever it is.
    async fn alter_quotas(
        &self,
        tenant: TenantId,
        request: AlterClientQuotasRequest,
    ) -> AlterClientQuotasResponse {
        let mut entries = Vec::new();
        for entry in request.entries {
            let parts = entry.entity.iter();
            let parts = parts.map(|part| (part.entity_type.as_str(), part.entity_name.as_deref()));
            let entity = QuotaEntity::checked(parts).unwrap();
            let values = entry
                .ops
                .iter()
                .map(|op| (QuotaKey::checked(&entity, &op.key, op.value).unwrap(), op.value));
            let record = QuotaRecord { values: values.collect() };
            let key = SettingKey::new(tenant, SettingKind::Quota, entity.to_string());
            let txn = Txn::new().put(key, record.encode());
            assert!(self.store.txn(txn).await.unwrap().is_committed());
            entries.push(alter_client_quotas_response::EntryData::default());
        }
        AlterClientQuotasResponse::default().with_entries(entries)
    }

    /// Writes entries as they are, and knows no errors but that of a code.
    async fn create_acls(
        &self,
        tenant: TenantId,
        request: CreateAclsRequest,
    ) -> CreateAclsResponse {
        let mut results = Vec::new();
        for creation in request.creations {
            let result = AclCreationResult::default();
            let Some(acl) = binding(&creation) else {
                results.push(result.with_error_code(ErrorCode::InvalidRequest.code()));
                continue;
            };
            let key = SettingKey::new(tenant, SettingKind::Acl, acl.setting_name());
            let txn = Txn::new().put(key, acl.encode());
            assert!(self.store.txn(txn).await.unwrap().is_committed());
            results.push(result);
        }
        CreateAclsResponse::default().with_results(results)
    }

    /// Deletes what matches.
    async fn delete_acls(&self, request: DeleteAclsRequest) -> DeleteAclsResponse {
        let mut results = Vec::new();
        for wanted in request.filters {
            let result = DeleteAclsFilterResult::default();
            let codes = [
                wanted.resource_type_filter,
                wanted.pattern_type_filter,
                wanted.operation,
                wanted.permission_type,
            ];
            let name = wanted.resource_name_filter.as_deref();
            let Ok(filter) = AclFilter::from_codes(codes, [name, None, None]) else {
                results.push(result.with_error_code(ErrorCode::InvalidRequest.code()));
                continue;
            };
            let mut matching = Vec::new();
            for entry in self.store.list("s/acl/").await.unwrap().entries {
                let acl = AclBinding::decode(&entry.value).unwrap();
                if filter.matches(&acl) {
                    let txn = Txn::new().delete(entry.key);
                    assert!(self.store.txn(txn).await.unwrap().is_committed());
                    matching.push(deleted(acl));
                }
            }
            results.push(result.with_matching_acls(matching));
        }
        DeleteAclsResponse::default().with_filter_results(results)
    }

    fn refuses(&self) -> bool {
        let refusals = self.refusals.load(Ordering::SeqCst);
        self.refusals.store(refusals.saturating_sub(1), Ordering::SeqCst);
        refusals > 0
    }
}

fn binding(creation: &AclCreation) -> Option<AclBinding> {
    Some(AclBinding {
        resource_type: ResourceType::from_code(creation.resource_type)?,
        pattern_type: PatternType::from_code(creation.resource_pattern_type)?,
        resource_name: creation.resource_name.to_string(),
        principal: creation.principal.to_string(),
        host: creation.host.to_string(),
        operation: AclOperation::from_code(creation.operation)?,
        permission: Permission::from_code(creation.permission_type)?,
    })
}

fn deleted(acl: AclBinding) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_resource_type(acl.resource_type.code())
        .with_resource_name(acl.resource_name.into())
        .with_pattern_type(acl.pattern_type.code())
        .with_principal(acl.principal.into())
        .with_host(acl.host.into())
        .with_operation(acl.operation.code())
        .with_permission_type(acl.permission.code())
}

/// Control as the hop calls it.
pub(crate) struct ControlHandler(pub(crate) Arc<FakeControl>);

impl Handler for ControlHandler {
    fn call(&self, HopRequest { header, body }: HopRequest) -> BoxFuture<'static, Response> {
        let control = Arc::clone(&self.0);
        let tenant = header.tenant;
        async move {
            match body {
                Request::CreateTopics(request) if control.refuses() => {
                    let refused = request.topics.into_iter().map(|topic| {
                        CreatableTopicResult::default()
                            .with_name(topic.name)
                            .with_error_code(ErrorCode::NotController.code())
                    });
                    let answer = CreateTopicsResponse::default().with_topics(refused.collect());
                    Response::CreateTopics(answer)
                }
                Request::CreateTopics(request) => {
                    Response::CreateTopics(control.create(tenant, request).await)
                }
                Request::DeleteTopics(request) => {
                    Response::DeleteTopics(control.delete(tenant, request).await)
                }
                Request::CreatePartitions(request) => {
                    Response::CreatePartitions(control.grow(tenant, request).await)
                }
                Request::IncrementalAlterConfigs(request) => {
                    let answer = control.alter_configs(tenant, request).await;
                    Response::IncrementalAlterConfigs(answer)
                }
                Request::AlterUserScramCredentials(request) => {
                    let answer = control.alter_credentials(tenant, request).await;
                    Response::AlterUserScramCredentials(answer)
                }
                Request::AlterClientQuotas(request) => {
                    Response::AlterClientQuotas(control.alter_quotas(tenant, request).await)
                }
                Request::CreateAcls(request) => {
                    Response::CreateAcls(control.create_acls(tenant, request).await)
                }
                Request::DeleteAcls(request) => {
                    Response::DeleteAcls(control.delete_acls(request).await)
                }
                Request::AllocateProducerIds(_) => {
                    let first = control.next_producer_id.fetch_add(10, Ordering::SeqCst);
                    let answer = AllocateProducerIdsResponse { error_code: 0, first, count: 10 };
                    Response::AllocateProducerIds(answer)
                }
                other => panic!("control was asked {:?}", other.api()),
            }
        }
        .boxed()
    }
}
