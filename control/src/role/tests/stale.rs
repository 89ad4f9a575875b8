//! R11: a leader that was succeeded and does not know it tries everything that leaders do. Nothing of
//! it takes effect, neither in the metadata store nor in the log.

use std::sync::Arc;

use hop::{
    Request, Response,
    internal::{ChangePlacementRequest, ChangeTenantRequest, PlacementChange, TenantChange},
};
use metadata::{
    Entry, MemoryStore, MetadataStore, Txn,
    keys::{self, Key},
    model::{NodeState, Record},
    settings::placement::{Duty, NodePlacement, PlacementName},
};
use parking_lot::Mutex;
use protocol::{
    ErrorCode,
    ids::NodeId,
    messages::{
        AlterClientQuotasRequest, AlterUserScramCredentialsRequest, CreateAclsRequest,
        CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
        IncrementalAlterConfigsRequest, TopicName, alter_client_quotas_request as quotas,
        alter_user_scram_credentials_request::ScramCredentialUpsertion,
        create_acls_request::AclCreation,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::CreatableTopic,
        delete_topics_request::DeleteTopicState,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
};
use serde_json::json;

use super::{
    api::ask,
    balance::moves,
    harness::{Cluster, Process, SOON, config, succession},
    meddled::{Meddled, Verdict},
};
use crate::{BalanceConfig, Config, meta_log::MetaTail};

/// A leader whom nothing tells that it was succeeded: its lease lives, and it does not look at the log.
async fn unaware<M: MetadataStore>(cluster: &Cluster<M>, balance: BalanceConfig) -> Process {
    let config = Config { reconcile_interval: 100 * SOON, balance, ..config("a") };
    let old = cluster.control_with(config).await;
    old.leads().await;
    old
}

/// Counts the transactions of a kind from now on.
fn count(cluster: &Cluster<Meddled>, kind: fn(&Txn) -> bool) -> Arc<Mutex<usize>> {
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    cluster.metadata.meddle(move |txn| {
        *counted.lock() += usize::from(kind(txn));
        Verdict::Pass
    });
    count
}

/// Everything that is in the metadata store and how many records are in the log.
async fn everything<M: MetadataStore>(cluster: &Cluster<M>) -> (Vec<Entry>, usize) {
    let entries = cluster.metadata.list("").await.unwrap().entries;
    (entries, MetaTail::new(&cluster.store).read().await.unwrap().len())
}

#[tokio::test(start_paused = true)]
async fn it_steps_down_when_it_writes_to_the_log() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let old = unaware(&cluster, config("a").balance).await;
    assert_eq!(old.create("before", 1).await, ErrorCode::None);
    // The new leader has had nothing to do yet.
    cluster.commit(Txn::new().delete(Key::Leader)).await;
    let new = cluster.control("b").await;
    tokio::time::sleep(SOON).await;

    assert_eq!(old.create("stale", 1).await, ErrorCode::RequestTimedOut, "in doubt");
    assert_eq!(old.create("stale", 1).await, ErrorCode::NotController, "it stepped down");
    assert!(cluster.topic("stale").await.is_none());
    // The log has one history: the new leader was not disturbed and does not know the topic.
    assert_eq!(new.create("after", 1).await, ErrorCode::None);
    assert_eq!(new.create("stale", 1).await, ErrorCode::None);
}

/// Goal: every kind of request that is committed to the log, each on a cluster of its own: the first
/// that is refused ends the term.
#[tokio::test(start_paused = true)]
async fn no_request_is_carried_out() {
    for request in requests() {
        let api = request.api().name();
        let cluster = Cluster::found(MemoryStore::new()).await;
        let _node = cluster.node(1).await;
        let old = unaware(&cluster, config("a").balance).await;
        assert_eq!(old.create("before", 1).await, ErrorCode::None);
        cluster.commit(Txn::new().delete(Key::Leader)).await;
        let _new = cluster.leader("b").await;
        let before = everything(&cluster).await;
        let answer = old.call(request.clone()).await;
        assert_eq!(code(&answer), ErrorCode::RequestTimedOut, "{api} is in doubt");
        assert_eq!(everything(&cluster).await, before, "{api}");
        assert_eq!(code(&old.call(request).await), ErrorCode::NotController, "{api}");
        assert_eq!(everything(&cluster).await, before, "{api}");
    }
}

/// Goal: it loses its key when its record is in the log already. The record counts, and it is for the
/// next leader to show it.
#[tokio::test(start_paused = true)]
async fn what_it_committed_is_shown_by_the_next_leader_only() {
    let cluster = Cluster::found(Meddled::new()).await;
    let old = cluster.leader("a").await;
    let shows = |txn: &Txn| txn.ops.iter().any(|op| op.key().starts_with(keys::TOPICS));
    let mut succession = Some(succession());
    cluster.metadata.meddle(move |txn| match succession.take_if(|_| shows(txn)) {
        Some(txns) => Verdict::After(txns.into()),
        None => Verdict::Pass,
    });
    assert_eq!(old.create("late", 1).await, ErrorCode::RequestTimedOut, "in doubt");
    assert_eq!(cluster.metadata.meddled(), 1, "it tried");
    tokio::time::sleep(SOON).await;
    assert!(cluster.topic("late").await.is_none());
    old.stop().await;
    cluster.commit(Txn::new().delete(Key::Leader)).await;
    let new = cluster.leader("b").await;
    assert_eq!(new.create("late", 1).await, ErrorCode::TopicAlreadyExists);
    assert!(cluster.topic("late").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn it_assigns_nothing() {
    let cluster = Cluster::found(Meddled::new()).await;
    let (ended, _heir) = (cluster.node(1).await, cluster.node(2).await);
    let old = cluster.leader("a").await;
    assert_eq!(old.create("orders", 4).await, ErrorCode::None);
    let before = cluster.owners("orders").await;
    cluster.depose().await;
    let tried = count(&cluster, moves);
    cluster.register(&ended, 1, NodeState::Ended).await;
    tokio::time::sleep(SOON).await;
    assert!(*tried.lock() > 0, "it tried");
    assert_eq!(cluster.owners("orders").await, before);
}

#[tokio::test(start_paused = true)]
async fn it_moves_nothing() {
    let cluster = Cluster::found(Meddled::new()).await;
    let _first = cluster.node(1).await;
    let balance = BalanceConfig { moves_per_node: 2, ..BalanceConfig::default() };
    let old = unaware(&cluster, balance).await;
    assert_eq!(old.create("orders", 20).await, ErrorCode::None);
    let joining = cluster.node(2).await;
    joining.set_stubborn(true);
    cluster.until("moves are under way", |view| !view.assigned_to(joining.id).is_empty()).await;
    cluster.depose().await;
    let before = cluster.owners("orders").await;
    let tried = count(&cluster, moves);
    // What is under way ends, and the next moves are due.
    joining.set_stubborn(false);
    tokio::time::sleep(SOON).await;
    assert!(*tried.lock() > 0, "it went on");
    assert_eq!(cluster.owners("orders").await, before);
}

#[tokio::test(start_paused = true)]
async fn it_obeys_no_order() {
    let cluster = Cluster::found(Meddled::new()).await;
    let (_first, _second) = (cluster.node(1).await, cluster.node(2).await);
    let old = unaware(&cluster, config("a").balance).await;
    assert_eq!(old.create("orders", 1).await, ErrorCode::None);
    cluster.depose().await;
    let before = cluster.owners("orders").await;
    let (node, _) = before[0].unwrap();
    let tried = count(&cluster, moves);
    let order = json!({"topic": "orders", "partition": 0, "to": 3 - node});
    let (status, body) = ask(&old, "POST", "/v1/partitions/move", order).await;
    assert_eq!((status, *tried.lock()), (421, 1), "{body}");
    assert_eq!(cluster.owners("orders").await, before);
}

/// One request of each kind that changes the catalogue.
fn requests() -> Vec<Request> {
    let name = |name: &str| TopicName(name.to_owned().into());
    let created = CreatableTopic::default()
        .with_name(name("stale"))
        .with_num_partitions(1)
        .with_replication_factor(-1);
    let deleted = DeleteTopicState::default().with_name(Some(name("before")));
    let grown = CreatePartitionsTopic::default()
        .with_name(name("before"))
        .with_count(2)
        .with_assignments(None);
    let setting =
        AlterableConfig::default().with_name("retention.ms".into()).with_value(Some("1000".into()));
    let configured = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name("before".into())
        .with_configs(vec![setting]);
    let user = ScramCredentialUpsertion::default()
        .with_name("alice".into())
        .with_mechanism(1)
        .with_iterations(4096)
        .with_salt(vec![1; 16].into())
        .with_salted_password(vec![2; 64].into());
    let client = quotas::EntityData::default()
        .with_entity_type("user".into())
        .with_entity_name(Some("alice".into()));
    let rate = quotas::OpData::default().with_key("producer_byte_rate".into()).with_value(1_000.0);
    let quota = quotas::EntryData::default().with_entity(vec![client]).with_ops(vec![rate]);
    let acl = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name("before".into())
        .with_resource_pattern_type(3)
        .with_principal("User:alice".into())
        .with_host("*".into())
        .with_operation(3)
        .with_permission_type(3);
    let drained = NodePlacement { duty: Duty::Draining, ..NodePlacement::default() }.encode();
    let placement =
        PlacementChange { name: PlacementName::Node(NodeId(1)).to_string(), value: Some(drained) };
    let tenant = ChangeTenantRequest {
        name: "acme".to_owned(),
        change: TenantChange::Create.into(),
        hosts: Vec::new(),
    };
    vec![
        Request::CreateTopics(
            CreateTopicsRequest::default().with_topics(vec![created]).with_timeout_ms(1_000),
        ),
        Request::DeleteTopics(DeleteTopicsRequest::default().with_topics(vec![deleted])),
        Request::CreatePartitions(CreatePartitionsRequest::default().with_topics(vec![grown])),
        Request::IncrementalAlterConfigs(
            IncrementalAlterConfigsRequest::default().with_resources(vec![configured]),
        ),
        Request::AlterUserScramCredentials(
            AlterUserScramCredentialsRequest::default().with_upsertions(vec![user]),
        ),
        Request::AlterClientQuotas(AlterClientQuotasRequest::default().with_entries(vec![quota])),
        Request::CreateAcls(CreateAclsRequest::default().with_creations(vec![acl])),
        Request::ChangePlacement(ChangePlacementRequest { changes: vec![placement] }),
        Request::ChangeTenant(tenant),
    ]
}

/// What the answer to one of [`requests`] says.
fn code(answer: &Response) -> ErrorCode {
    let internal = |code: i32| ErrorCode::from_code(i16::try_from(code).unwrap());
    match answer {
        Response::CreateTopics(it) => ErrorCode::from_code(it.topics[0].error_code),
        Response::DeleteTopics(it) => ErrorCode::from_code(it.responses[0].error_code),
        Response::CreatePartitions(it) => ErrorCode::from_code(it.results[0].error_code),
        Response::IncrementalAlterConfigs(it) => ErrorCode::from_code(it.responses[0].error_code),
        Response::AlterUserScramCredentials(it) => ErrorCode::from_code(it.results[0].error_code),
        Response::AlterClientQuotas(it) => ErrorCode::from_code(it.entries[0].error_code),
        Response::CreateAcls(it) => ErrorCode::from_code(it.results[0].error_code),
        Response::ChangePlacement(it) => internal(it.error_code),
        Response::ChangeTenant(it) => internal(it.error_code),
        other => panic!("{other:?}"),
    }
}
