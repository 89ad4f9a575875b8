//! This gateway in the metadata: `g/{broker}`, under a lease.
//!
//! While it is there clients are sent here. It goes at once when the gateway stops, and by itself
//! when the gateway dies or loses the store. A lost lease is replaced by a new one: nothing
//! depends on it but who is named to clients (R5).

use std::sync::Arc;
use std::time::Duration;

use metadata::keys::Key;
use metadata::model::{GatewayRecord, Record};
use metadata::{LeaseId, MetadataError, MetadataStore, Txn};
use process::Drain;
use tokio::time::{Instant, sleep};

/// Why a gateway cannot take its place.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Another gateway has it.
    #[error(
        "broker id {broker_id} is taken by the gateway at {holder}; give each gateway its own `broker_id`"
    )]
    Taken {
        /// The id.
        broker_id: i32,
        /// Who has it.
        holder: String,
    },
    /// The metadata store does not answer.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// A place among the gateways.
pub(crate) struct Registration {
    store: Arc<dyn MetadataStore>,
    record: GatewayRecord,
    ttl: Duration,
    lease: LeaseId,
}

// === impl Registration ===

impl Registration {
    /// Takes the place, or waits until whoever had it before is gone: a gateway that was restarted
    /// elsewhere finds its own old entry, for one lease at most.
    pub(crate) async fn take(
        store: Arc<dyn MetadataStore>,
        record: GatewayRecord,
        ttl: Duration,
    ) -> Result<Self, RegistrationError> {
        let patience_ends = Instant::now() + ttl + ttl / 2;
        loop {
            let lease = store.grant_lease(ttl).await?;
            match put(&*store, &record, lease).await {
                Ok(()) => return Ok(Self { store, record, ttl, lease }),
                Err(error) => {
                    // Unused; if it cannot be given back now it ends by itself.
                    drop(store.revoke_lease(lease).await);
                    let waits = matches!(error, RegistrationError::Taken { .. });
                    if !waits || Instant::now() >= patience_ends {
                        return Err(error);
                    }
                    sleep(ttl / 10).await;
                }
            }
        }
    }

    /// Keeps the place until the drain begins, then gives it back.
    pub(crate) async fn keep(mut self, drain: Drain) {
        let draining = drain.draining();
        let mut draining = std::pin::pin!(draining);
        loop {
            tokio::select! {
                () = &mut draining => break,
                () = sleep(self.ttl / 3) => self.renew().await,
            }
        }
        if let Err(error) = self.store.revoke_lease(self.lease).await {
            tracing::warn!(%error, "gateway registration stays until its lease ends");
        }
    }

    async fn renew(&mut self) {
        let renewed = match self.store.keep_alive(self.lease).await {
            Err(MetadataError::LeaseGone(_)) => {
                tracing::warn!("gateway registration was lost, taking it again");
                self.again().await
            }
            other => other.map_err(RegistrationError::from),
        };
        if let Err(error) = renewed {
            tracing::warn!(%error, "gateway registration cannot be renewed");
        }
    }

    async fn again(&mut self) -> Result<(), RegistrationError> {
        let lease = self.store.grant_lease(self.ttl).await?;
        put(&*self.store, &self.record, lease).await?;
        self.lease = lease;
        Ok(())
    }
}

/// Writes the record, unless another gateway's stands there.
async fn put(
    store: &dyn MetadataStore,
    record: &GatewayRecord,
    lease: LeaseId,
) -> Result<(), RegistrationError> {
    let key = Key::Gateway(record.broker_id).to_string();
    loop {
        let present = store.get(&key).await?;
        let revision = present.as_ref().map_or(0, |entry| entry.mod_revision);
        if let Some(entry) = present
            && let Ok(holder) = GatewayRecord::decode(&entry.value)
            && !is_same(&holder, record)
        {
            let holder = holder.endpoints.values().map(ToString::to_string).collect::<Vec<_>>();
            let holder = holder.join(", ");
            return Err(RegistrationError::Taken { broker_id: record.broker_id.0, holder });
        }
        let txn = Txn::new().when_mod(&key, revision).put_leased(&key, record.encode(), lease);
        if store.txn(txn).await?.is_committed() {
            return Ok(());
        }
    }
}

/// Whether both are one gateway, before and after a restart. No two have an endpoint in common.
fn is_same(holder: &GatewayRecord, record: &GatewayRecord) -> bool {
    let has = |endpoint| record.endpoints.values().any(|other| other == endpoint);
    holder.endpoints.values().any(has)
}

#[cfg(test)]
mod tests {
    use metadata::MemoryStore;
    use metadata::model::Endpoint;
    use protocol::ids::BrokerId;

    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn record(port: u16) -> GatewayRecord {
        GatewayRecord {
            broker_id: BrokerId(3),
            set: String::new(),
            slot: BrokerId(3),
            endpoints: [(
                "A".to_owned(),
                Endpoint { host: "a".to_owned(), port, tenant_host: String::new() },
            )]
            .into(),
            zone: String::new(),
            release: protocol::release::Release::THIS,
            address: String::new(),
        }
    }

    async fn registered(store: &Arc<dyn MetadataStore>) -> Option<GatewayRecord> {
        let entry = store.get("g/3").await.unwrap()?;
        Some(GatewayRecord::decode(&entry.value).unwrap())
    }

    fn store() -> Arc<dyn MetadataStore> {
        Arc::new(MemoryStore::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_kept_beyond_its_lease_and_given_back_at_the_end() {
        let (store, drain) = (store(), Drain::new());
        let place = Registration::take(Arc::clone(&store), record(1), TTL).await.unwrap();
        let kept = drain.spawn("registration", place.keep(drain.clone()));
        sleep(TTL * 5).await;
        assert_eq!(registered(&store).await, Some(record(1)));
        drain.begin();
        kept.await.unwrap();
        assert_eq!(registered(&store).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_lease_is_replaced() {
        let (store, drain) = (store(), Drain::new());
        let place = Registration::take(Arc::clone(&store), record(1), TTL).await.unwrap();
        let lease = place.lease;
        drop(drain.spawn("registration", place.keep(drain.clone())));
        store.revoke_lease(lease).await.unwrap();
        assert_eq!(registered(&store).await, None);
        sleep(TTL).await;
        assert_eq!(registered(&store).await, Some(record(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn two_gateways_cannot_have_one_id() {
        let (store, drain) = (store(), Drain::new());
        let place = Registration::take(Arc::clone(&store), record(1), TTL).await.unwrap();
        drop(drain.spawn("registration", place.keep(drain.clone())));
        let second = Registration::take(Arc::clone(&store), record(2), TTL).await;
        assert!(matches!(second, Err(RegistrationError::Taken { broker_id: 3, .. })));
        assert_eq!(registered(&store).await, Some(record(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_restarted_elsewhere_waits_for_its_old_lease_to_end() {
        let store = store();
        drop(Registration::take(Arc::clone(&store), record(1), TTL).await.unwrap());
        let moved = Registration::take(Arc::clone(&store), record(2), TTL).await;
        assert!(moved.is_ok());
        assert_eq!(registered(&store).await, Some(record(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_restarted_in_place_takes_over_at_once() {
        let store = store();
        let before = Instant::now();
        drop(Registration::take(Arc::clone(&store), record(1), TTL).await.unwrap());
        assert!(Registration::take(Arc::clone(&store), record(1), TTL).await.is_ok());
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
