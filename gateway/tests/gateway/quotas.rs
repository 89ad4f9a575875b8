//! Quotas of clients: set through control, shown from the view, kept by the gateway.

use protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use crate::fetch::fetch;
use crate::produce::produce;
use crate::support::{Cluster, batch, text};

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
