//! What is nobody's is not made: control knows its tenants.

use hop::internal::{ChangeTenantRequest, TenantChange};
use hop::{HopHeader, HopRequest, Request, Response};
use metadata::MemoryStore;
use metadata::settings::SettingKind;
use protocol::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::{
    AlterClientQuotasRequest, CreateAclsRequest, CreateTopicsRequest,
    alter_client_quotas_request as quotas, create_acls_request::AclCreation,
    create_topics_request::CreatableTopic,
};

use super::harness::{Cluster, Process, SOON};

/// The first tenant that is made.
const ACME: TenantId = TenantId(2);

async fn ask(control: &Process, tenant: TenantId, body: Request) -> Response {
    let header = HopHeader::internal(tenant, SOON);
    control.control.handler.call(HopRequest { header, body }).await
}

async fn change(control: &Process, change: TenantChange) -> i32 {
    let (name, change) = ("acme".to_owned(), change.into());
    let request = ChangeTenantRequest { name, change, hosts: Vec::new() };
    match ask(control, TenantId::DEFAULT, Request::ChangeTenant(request)).await {
        Response::ChangeTenant(answer) => answer.error_code,
        other => panic!("{other:?}"),
    }
}

/// The codes of a topic, an access control entry and a quota of a tenant's.
async fn make(control: &Process, tenant: TenantId) -> [i16; 3] {
    let topic = CreatableTopic::default()
        .with_name(protocol::messages::TopicName("orders".to_owned().into()))
        .with_num_partitions(1)
        .with_replication_factor(-1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000);
    let topic = match ask(control, tenant, Request::CreateTopics(request)).await {
        Response::CreateTopics(answer) => answer.topics[0].error_code,
        other => panic!("{other:?}"),
    };
    let entry = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name("orders".to_owned().into())
        .with_resource_pattern_type(3)
        .with_principal("User:alice".into())
        .with_host("*".into())
        .with_operation(3)
        .with_permission_type(3);
    let request = CreateAclsRequest::default().with_creations(vec![entry]);
    let entry = match ask(control, tenant, Request::CreateAcls(request)).await {
        Response::CreateAcls(answer) => answer.results[0].error_code,
        other => panic!("{other:?}"),
    };
    let user = quotas::EntityData::default()
        .with_entity_type("user".to_owned().into())
        .with_entity_name(Some("alice".to_owned().into()));
    let rate = quotas::OpData::default()
        .with_key("producer_byte_rate".to_owned().into())
        .with_value(1_000.0);
    let quota = quotas::EntryData::default().with_entity(vec![user]).with_ops(vec![rate]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![quota]);
    let quota = match ask(control, tenant, Request::AlterClientQuotas(request)).await {
        Response::AlterClientQuotas(answer) => answer.entries[0].error_code,
        other => panic!("{other:?}"),
    };
    [topic, entry, quota]
}

#[tokio::test(start_paused = true)]
async fn an_unknown_tenant_is_given_nothing() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    let nobody = [ErrorCode::ResourceNotFound.code(); 3];
    assert_eq!(make(&control, ACME).await, nobody, "before there is such a tenant");
    assert_eq!(make(&control, TenantId::SYSTEM).await, nobody, "the system is no tenant");
    assert_eq!(change(&control, TenantChange::Create).await, 0);
    assert_eq!(change(&control, TenantChange::Delete).await, 0, "it was left empty");
    assert_eq!(make(&control, ACME).await, nobody, "when it is gone");
    cluster.view.refresh().await.unwrap();
    for kind in [SettingKind::Acl, SettingKind::Quota] {
        assert!(cluster.view.settings(ACME, kind).entries.is_empty());
    }
    assert!(cluster.view.topics(ACME).is_empty());

    // The next one of that name is another one.
    assert_eq!(change(&control, TenantChange::Create).await, 0);
    assert_eq!(make(&control, ACME).await, nobody);
    assert_eq!(make(&control, TenantId(3)).await, [0; 3]);
    let policy = i32::from(ErrorCode::PolicyViolation.code());
    assert_eq!(change(&control, TenantChange::Delete).await, policy, "it has something");
    control.stop().await;
}
