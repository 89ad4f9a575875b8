//! Access control entries are committed, shown, and outlive their leader.

use hop::{Request, Response};
use metadata::{MemoryStore, settings::SettingKind};
use protocol::messages::{
    CreateAclsRequest, DeleteAclsRequest, create_acls_request::AclCreation,
    delete_acls_request::DeleteAclsFilter,
};

use super::harness::{Cluster, TENANT};

fn creation(topic: &str) -> AclCreation {
    AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(topic.to_owned().into())
        .with_resource_pattern_type(3)
        .with_principal("User:alice".into())
        .with_host("*".into())
        .with_operation(3)
        .with_permission_type(3)
}

fn of_topic(topic: &str) -> DeleteAclsFilter {
    DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(topic.to_owned().into()))
        .with_pattern_type_filter(3)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1)
}

#[tokio::test(start_paused = true)]
async fn entries_outlive_the_leader_that_made_them() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let control = cluster.leader("a").await;
    let creations = vec![creation("orders"), creation("bills"), creation("")];
    let request = CreateAclsRequest::default().with_creations(creations);
    let Response::CreateAcls(response) = control.call(Request::CreateAcls(request)).await else {
        panic!("another answer")
    };
    let codes = response.results.iter().map(|result| result.error_code);
    assert!(codes.eq([0, 0, 42]));
    let shown = |count| {
        move |view: &metadata::ClusterView| {
            view.settings(TENANT, SettingKind::Acl).entries.len() == count
        }
    };
    cluster.until("both entries are shown", shown(2)).await;
    control.stop().await;

    let control = cluster.leader("b").await;
    let filters = vec![of_topic("orders"), of_topic("none")];
    let request = DeleteAclsRequest::default().with_filters(filters);
    let Response::DeleteAcls(response) = control.call(Request::DeleteAcls(request)).await else {
        panic!("another answer")
    };
    let matched = response.filter_results.iter().map(|result| result.matching_acls.len());
    assert!(matched.eq([1, 0]), "the next leader knows them");
    cluster.until("one entry is left", shown(1)).await;
    control.stop().await;
}
