//! Access control lists, enforced: every API needs what it needs in Kafka, changes hold at once, and
//! what is denied and changed is told.

mod audit;
mod calls;
mod live;
mod rows;

use bytes::Bytes;
use gateway::Config;
use metadata::Txn;
use metadata::model::Record;
use metadata::settings::acl::{
    AclBinding, AclOperation as Op, PatternType, Permission, ResourceType,
};
use metadata::settings::{SettingKey, SettingKind};
use protocol::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::ApiKey;
use protocol::versions::APIS;
use regex::Regex;

use self::calls::Call;
use self::rows::{CLUSTER, GROUP, Missing, Resource, Row, TOPIC, TRANSACTION, rows};
use crate::support::{Client, Cluster, Gateway, eventually};

/// Who everybody is on a plaintext listener.
const ANONYMOUS: &str = "User:ANONYMOUS";

fn enforced(config: &mut Config) {
    config.authorisation.enabled = true;
}

fn allow(operation: Op, (resource_type, name): Resource) -> AclBinding {
    AclBinding {
        resource_type,
        pattern_type: PatternType::Literal,
        resource_name: name.to_owned(),
        principal: ANONYMOUS.to_owned(),
        host: "127.0.0.1".to_owned(),
        operation,
        permission: Permission::Allow,
    }
}

impl Cluster {
    /// These are the entries from now on, also for `gateway`.
    async fn set_acls(&self, gateway: &Gateway, acls: &[AclBinding]) {
        let of = |view: &metadata::ClusterView| view.settings(TenantId::DEFAULT, SettingKind::Acl);
        let key = |name: &String| SettingKey::new(TenantId::DEFAULT, SettingKind::Acl, name);
        let wanted: std::collections::BTreeMap<String, Bytes> =
            acls.iter().map(|acl| (acl.setting_name(), acl.encode())).collect();
        let present = of(&gateway.view);
        let mut txn = Txn::new();
        for name in present.entries.keys().filter(|name| !wanted.contains_key(*name)) {
            txn = txn.delete(key(name));
        }
        for (name, value) in &wanted {
            txn = txn.put(key(name), value.clone());
        }
        assert!(self.store.txn(txn).await.unwrap().is_committed());
        eventually("the entries are seen", || of(&gateway.view).entries == wanted).await;
    }
}

/// A cluster with a topic, a group with an offset and a transaction.
struct World {
    cluster: Cluster,
    gateway: Gateway,
    client: Client,
    orders: protocol::ids::TopicId,
}

impl World {
    async fn start() -> Self {
        let mut cluster = Cluster::start().await;
        cluster.serve_over_sockets().await;
        let orders = cluster.topic("orders", &[1, 2]).await;
        let gateway = cluster.gateway_with(1, enforced).await;
        let client = gateway.client().await;
        let mut world = Self { cluster, gateway, client, orders };
        let everything = [TOPIC, GROUP, TRANSACTION, CLUSTER].map(|of| allow(Op::All, of));
        world.grant(&everything).await;
        for (api, version) in [(ApiKey::OffsetCommit, 8), (ApiKey::AddPartitionsToTxn, 3)] {
            let told = world.call(api, "", version).await;
            assert!(codes(&told).iter().all(|code| *code == 0), "{told}");
        }
        world
    }

    async fn grant(&self, acls: &[AclBinding]) {
        self.cluster.set_acls(&self.gateway, acls).await;
    }

    async fn call(&mut self, api: ApiKey, case: &str, version: i16) -> String {
        let topic = |name| self.gateway.view.topic_by_name(TenantId::DEFAULT, name);
        let doomed = match topic("doomed") {
            Some(doomed) => doomed.id(),
            None => self.cluster.topic("doomed", &[1]).await,
        };
        let call = Call { api, case, version, orders: self.orders, doomed };
        calls::make(&mut self.client, &call).await
    }
}

/// Every error code in an answer.
fn codes(told: &str) -> Vec<i16> {
    let code = Regex::new(r"error_code: (-?\d+)").unwrap();
    code.captures_iter(told).map(|found| found[1].parse().unwrap()).collect()
}

/// Whether the answer says, somehow, that something is missing.
fn is_refused(told: &str) -> bool {
    let refusals = [
        ErrorCode::TopicAuthorizationFailed,
        ErrorCode::GroupAuthorizationFailed,
        ErrorCode::ClusterAuthorizationFailed,
        ErrorCode::TransactionalIdAuthorizationFailed,
    ];
    codes(told).iter().any(|code| refusals.contains(&ErrorCode::from_code(*code)))
}

fn error_of(resource_type: ResourceType) -> ErrorCode {
    match resource_type {
        ResourceType::Topic => ErrorCode::TopicAuthorizationFailed,
        ResourceType::Group => ErrorCode::GroupAuthorizationFailed,
        ResourceType::TransactionalId => ErrorCode::TransactionalIdAuthorizationFailed,
        _ => ErrorCode::ClusterAuthorizationFailed,
    }
}

/// Everything but `operation` on its resource, and that on others of its type.
fn all_but(row: &Row, operation: Op, resource: Resource) -> Vec<AclBinding> {
    let implies = |other: Op| match operation {
        Op::Describe => matches!(other, Op::Read | Op::Write | Op::Delete | Op::Alter),
        Op::DescribeConfigs => other == Op::AlterConfigs,
        _ => false,
    };
    let others = Op::ALL
        .iter()
        .filter(|other| **other != Op::All && **other != operation && !implies(**other));
    let mut acls: Vec<_> = others.map(|other| allow(*other, resource)).collect();
    if !row.any_name {
        acls.push(allow(Op::All, (resource.0, "another")));
    }
    acls
}

#[test]
fn every_served_api_has_a_row() {
    let rows = rows();
    for api in APIS {
        for version in api.served_min..=api.max {
            let covered = rows.iter().any(|r| r.api == api.key && r.versions.contains(&version));
            assert!(covered, "{:?} {version}: what does it need? add a row", api.key);
        }
    }
}

#[tokio::test]
async fn every_api_needs_what_it_needs_in_kafka() {
    let mut world = World::start().await;
    for row in rows() {
        let api = APIS.iter().find(|api| api.key == row.api).unwrap();
        let (first, last) = row.versions.clone().into_inner();
        let versions = first.max(api.served_min)..=last.min(api.max);
        world.grant(&[]).await;
        for version in versions.clone().filter(|_| !row.needs.is_empty()) {
            let told = world.call(row.api, row.case, version).await;
            is_missing(&row, row.needs[0], &told, version);
        }
        for (operation, resource) in row.needs.iter().copied() {
            let rest = row.needs.iter().filter(|need| **need != (operation, resource));
            let mut acls: Vec<_> = rest.map(|(op, of)| allow(*op, *of)).collect();
            acls.extend(all_but(&row, operation, resource));
            world.grant(&acls).await;
            let told = world.call(row.api, row.case, *versions.end()).await;
            is_missing(&row, (operation, resource), &told, *versions.end());
        }
        let needed: Vec<_> = row.needs.iter().map(|(op, of)| allow(*op, *of)).collect();
        world.grant(&needed).await;
        for version in versions {
            let told = world.call(row.api, row.case, version).await;
            assert!(!is_refused(&told), "{:?} {} v{version}: {told}", row.api, row.case);
            if let Missing::Hidden(text) = row.missing {
                assert!(told.contains(text), "{:?} {} v{version}: {told}", row.api, row.case);
            }
        }
    }
}

/// The answer is that of somebody who lacks this.
fn is_missing(row: &Row, (operation, resource): (Op, Resource), told: &str, version: i16) {
    let what = format!(
        "{:?} {} v{version} without {operation:?} on {resource:?}: {told}",
        row.api, row.case
    );
    let error = match row.missing {
        Missing::Hidden(text) => {
            assert!(!told.contains(text), "{what}");
            return;
        }
        Missing::ErrorOfType => error_of(resource.0),
        Missing::Error(error) => error,
    };
    assert!(codes(told).contains(&error.code()), "{what}");
}
