//! Quotas of clients: set through control, shown from the view, kept by the gateway.

use metadata::Txn;
use metadata::model::Record;
use metadata::settings::quota::{EntityType, QuotaEntity, QuotaKey, QuotaRecord};
use metadata::settings::{SettingKey, SettingKind};
use protocol::ids::{PartitionId, TenantId};
use protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest, MetadataRequest};

use crate::fetch::{fetch, fetched};
use crate::fetch_cold::{cold_and_hot, expect, values};
use crate::produce::produce;
use crate::support::{Client, Cluster, Gateway, batch, eventually, text};
use crate::tenants::{ACME, listener, put_tenant};

/// As all clients of the support call themselves.
const CLIENT_ID: &str = "test";

/// Sets quotas of a client id.
pub(crate) fn alter(client_id: &str, quotas: &[(&str, f64)]) -> AlterClientQuotasRequest {
    let entity = EntityData::default()
        .with_entity_type(text("client-id"))
        .with_entity_name(Some(text(client_id)));
    let ops =
        quotas.iter().map(|(key, value)| OpData::default().with_key(text(key)).with_value(*value));
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(ops.collect());
    AlterClientQuotasRequest::default().with_entries(vec![entry])
}

/// Asks for all quotas.
pub(crate) fn describe() -> DescribeClientQuotasRequest {
    DescribeClientQuotasRequest::default()
}

#[tokio::test]
async fn a_quota_that_was_set_is_shown_by_every_gateway_at_once() {
    let cluster = Cluster::start().await;
    let (one, other) = (cluster.gateway(1).await, cluster.gateway(2).await);
    let (mut client, mut elsewhere) = (one.client().await, other.client().await);
    let quotas = [("producer_byte_rate", 1024.0), ("request_percentage", 12.5)];
    let answer = client.call(1, alter("app", &quotas)).await;
    assert_eq!(answer.entries[0].error_code, 0);
    let shown = elsewhere.call(1, describe()).await.entries.unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].entity[0].entity_name, Some(text("app")));
    let values: Vec<_> = shown[0].values.iter().map(|v| (v.key.as_str(), v.value)).collect();
    assert_eq!(values, quotas);
    let refused = DescribeClientQuotasRequest::default().with_components(vec![Default::default()]);
    let refused = client.call(1, refused).await;
    assert_eq!((refused.error_code, refused.entries), (42, None));
}

#[tokio::test]
async fn a_throttled_client_is_told_how_long_and_an_unthrottled_one_is_not() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let free = client.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(free.throttle_time_ms, 0);
    client.call(1, alter(CLIENT_ID, &[("producer_byte_rate", 40.0)])).await;
    let told = client.call(9, produce("orders", &[(0, "a")])).await;
    assert!(told.throttle_time_ms > 0, "it is above 20 bytes, and those are saved up");
    assert_eq!(crate::produce::outcome(&told)[0].1, 0, "and it was done");
}

#[tokio::test]
async fn a_client_that_comes_anew_stands_behind_those_who_wait_for_records() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let partition = Cluster::partition(topic, 0);
    cluster.logs.append(partition, &batch(&["a", "b"]));
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(1, alter(CLIENT_ID, &[("consumer_byte_rate", 1.0)])).await;
    let fetched = client.call(12, fetch("orders", &[(0, 0)])).await;
    assert_eq!(crate::fetch::fetched(&fetched).len(), 1, "whoever has not been served is");
    assert!(fetched.throttle_time_ms > 0);
    let mut another = gateway.client().await;
    let nothing = another.call(12, fetch("orders", &[(0, 0)])).await;
    assert!(nothing.responses.is_empty());
    assert!(nothing.throttle_time_ms > 0);
    assert_eq!((nothing.error_code, nothing.session_id), (0, 0));
}

/// Less than anything costs: who has had something waits for hours.
const HARDLY_ANYTHING: f64 = 1e-3;

/// A gateway with a listener for each of two tenants.
async fn of_two_tenants(cluster: &Cluster) -> Gateway {
    put_tenant(cluster, "acme", ACME, &[]).await;
    let listeners = ["default", "acme"].map(listener).to_vec();
    let gateway = cluster.gateway_with(1, |config| config.listeners = listeners).await;
    eventually("the tenant is known", || {
        !gateway.view.settings(TenantId::DEFAULT, SettingKind::Tenant).entries.is_empty()
    })
    .await;
    gateway
}

/// Limits something, as only operators may, to hardly anything.
async fn limit(
    cluster: &Cluster,
    gateway: &Gateway,
    tenant: TenantId,
    entity: QuotaEntity,
    key: QuotaKey,
) {
    let name = entity.to_string();
    let record = QuotaRecord { values: [(key, HARDLY_ANYTHING)].into() };
    let setting = SettingKey::new(tenant, SettingKind::Quota, name.as_str());
    let txn = Txn::new().put(setting, record.encode());
    assert!(cluster.store.txn(txn).await.unwrap().is_committed());
    eventually("the quota is seen", || {
        gateway.view.settings(tenant, SettingKind::Quota).entries.contains_key(&name)
    })
    .await;
}

#[tokio::test]
async fn a_tenant_s_cold_reads_wait_for_its_bandwidth_and_nothing_else_does() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let theirs = cluster.control.put_topic(ACME, "orders", &[1]).await;
    let theirs = PartitionId::new(ACME, theirs, 0);
    cluster.logs.append(theirs, &batch(&["x"]));
    cluster.logs.change(theirs, |log| (log.hot_floor, log.uploaded) = (1, 1));
    let gateway = of_two_tenants(&cluster).await;
    let bandwidth = QuotaKey::ColdReadByteRate;
    limit(&cluster, &gateway, TenantId::DEFAULT, QuotaEntity::tenant(), bandwidth).await;

    let mut client = Client::connect(gateway.addresses[0]).await;
    let first = client.call(12, fetch("orders", &[(0, 0)])).await;
    assert_eq!(values(fetched(&first)), [expect(0, "ab")], "who owes nothing is served");
    let second = client.call(12, fetch("orders", &[(0, 0), (1, 0)])).await;
    assert_eq!(values(fetched(&second)), [expect(0, ""), expect(1, "h")], "hot ones do not wait");
    let tail = client.call(12, fetch("orders", &[(0, 2)])).await;
    assert_eq!(values(fetched(&tail)), [expect(0, "c")], "nor the hot end of the cold one");
    assert_eq!(cluster.reader.reads_begun(), 1, "and no reader was asked");
    let mut other = Client::connect(gateway.addresses[1]).await;
    let another = other.call(12, fetch("orders", &[(0, 0)])).await;
    assert_eq!(values(fetched(&another)), [expect(0, "x")], "nor does another tenant");
}

#[tokio::test]
async fn connections_come_as_fast_as_their_tenant_and_their_address_may() {
    let cluster = Cluster::start().await;
    let gateway = of_two_tenants(&cluster).await;
    let rate = QuotaKey::ConnectionCreationRate;
    limit(&cluster, &gateway, ACME, QuotaEntity::tenant(), rate).await;
    let connect = |at: usize| Client::connect(gateway.addresses[at]);
    let asked = MetadataRequest::default;
    let (mut first, mut second) = (connect(1).await, connect(1).await);
    first.call(9, asked()).await;
    second.send(9, &asked()).await;
    second.closed().await;
    for _ in 0..3 {
        connect(0).await.call(9, asked()).await;
    }

    // Addresses are the operator's to limit, for the clients of all tenants.
    let here = QuotaEntity::of(EntityType::Ip, Some("127.0.0.1"));
    limit(&cluster, &gateway, TenantId::DEFAULT, here, rate).await;
    connect(0).await.call(9, asked()).await;
    for at in [0, 1] {
        connect(at).await.closed().await;
    }
    first.call(9, asked()).await;
}
