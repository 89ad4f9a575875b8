//! What is charged, what an answer says about it, and what its connection waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use metadata::model::Record;
use metadata::settings::quota::{EntityType, QuotaEntity, QuotaRecord};
use metadata::settings::{SettingKey, SettingKind};
use metadata::{MemoryStore, MetadataStore, Txn};
use process::Drain;
use protocol::StrBytes;
use protocol::header::RequestHeader;
use protocol::ids::TenantId;
use tokio::time::Instant;
use tower::service_fn;

use super::*;
use crate::call::{Client, Identity, Inbound};

const TENANT: TenantId = TenantId(7);

/// The quotas of a view in which this is set.
async fn quotas(set: &[(QuotaEntity, QuotaKey, f64)]) -> Arc<Quotas> {
    let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
    for (entity, key, value) in set {
        let name = SettingKey::new(TENANT, SettingKind::Quota, entity.to_string());
        let record = QuotaRecord { values: BTreeMap::from([(*key, *value)]) };
        let put = Txn::new().put(name, record.encode());
        assert!(store.txn(put).await.unwrap().is_committed());
    }
    let view = metadata::ClusterView::start(store, &Drain::new()).await.unwrap();
    Quotas::new(view)
}

fn request(api: ApiKey, client_id: &'static str, bytes: usize) -> Identified {
    let header = RequestHeader {
        api_key: api as i16,
        api_version: 9,
        correlation_id: 1,
        client_id: Some(StrBytes::from_static_str(client_id)),
    };
    let inbound = Inbound {
        header,
        body: Bytes::from(vec![0; bytes]),
        client: Arc::new(Client::for_tests()),
        received: Instant::now(),
    };
    let principal = StrBytes::from_static_str("User:u");
    Identified { inbound, identity: Arc::new(Identity { tenant: TENANT, principal }) }
}

/// One connection, whose requests are answered with nothing.
fn connection(
    quotas: &Arc<Quotas>,
) -> Quota<impl Service<Charged, Response = Reply, Error = Disconnect, Future: Unpin> + use<>> {
    let inner = service_fn(|_: Charged| ready(Ok::<_, Disconnect>(Reply::default())));
    QuotaLayer::new(Arc::clone(quotas)).layer(inner)
}

async fn waits<S>(connection: &mut Quota<S>, request: Identified) -> Duration
where
    S: Service<Charged, Response = Reply, Error = Disconnect>,
    S::Future: Unpin,
{
    connection.call(request).await.unwrap().mute.wait()
}

#[tokio::test(start_paused = true)]
async fn a_produce_above_its_quota_is_answered_and_its_connection_muted() {
    let entity = QuotaEntity::of(EntityType::ClientId, Some("a"));
    let quotas = quotas(&[(entity, QuotaKey::ProducerByteRate, 100.0)]).await;
    let (mut first, mut second) = (connection(&quotas), connection(&quotas));
    let produce = |client_id, bytes| request(ApiKey::Produce, client_id, bytes);
    assert_eq!(waits(&mut first, produce("a", 50)).await, Duration::ZERO, "saved up");
    assert_eq!(waits(&mut first, produce("a", 100)).await, Duration::from_secs(1));
    let other = waits(&mut second, produce("a", 100)).await;
    assert_eq!(other, Duration::from_secs(2), "all connections of the name are one");
    assert_eq!(waits(&mut first, request(ApiKey::Metadata, "a", 999)).await, Duration::ZERO);
    assert_eq!(waits(&mut first, produce("b", 999)).await, Duration::ZERO);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(waits(&mut second, produce("a", 10)).await, Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn the_tenant_s_quota_counts_beside_the_client_s() {
    let user = QuotaEntity::of(EntityType::User, Some("u"));
    let set = [
        (user, QuotaKey::ProducerByteRate, 1_000.0),
        (QuotaEntity::tenant(), QuotaKey::ProducerByteRate, 100.0),
    ];
    let quotas = quotas(&set).await;
    let mut connection = connection(&quotas);
    let wait = waits(&mut connection, request(ApiKey::Produce, "a", 250)).await;
    assert_eq!(wait, Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_whatever_they_are() {
    let quotas = quotas(&[(QuotaEntity::tenant(), QuotaKey::RequestRate, 2.0)]).await;
    let mut connection = connection(&quotas);
    assert_eq!(waits(&mut connection, request(ApiKey::Metadata, "a", 0)).await, Duration::ZERO);
    let wait = waits(&mut connection, request(ApiKey::Heartbeat, "b", 0)).await;
    assert_eq!(wait, Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_no_more_connections_than_it_may() {
    let quotas = quotas(&[(QuotaEntity::tenant(), QuotaKey::Connections, 1.0)]).await;
    let (mut first, mut second) = (connection(&quotas), connection(&quotas));
    let metadata = || request(ApiKey::Metadata, "a", 0);
    assert!(first.call(metadata()).await.is_ok());
    assert!(second.call(request(ApiKey::ApiVersions, "a", 0)).await.is_ok(), "anybody may ask");
    let refused = second.call(metadata()).await;
    assert!(matches!(refused, Err(Disconnect::TooManyConnections)));
    assert!(first.call(metadata()).await.is_ok());
    drop(first);
    assert!(connection(&quotas).call(metadata()).await.is_ok());
}
