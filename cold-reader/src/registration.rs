//! Keeping `r/{reader}` in the metadata store, so that gateways send cold reads here.
//!
//! The key lives under a lease. The lease is a hint about who is up and nothing
//! else (R5): when it is lost, a new one is taken and the key written again.

use std::sync::Arc;
use std::time::Duration;

use metadata::keys::Key;
use metadata::model::{ReaderRecord, Record as _};
use metadata::{LeaseId, MetadataError, MetadataStore, Txn};
use process::Drain;
use protocol::ids::ReaderId;
use protocol::release::Release;

/// A lease is renewed this many times in its life: one lost renewal is no loss.
const RENEWALS_PER_LEASE: u32 = 3;

/// Pause after a metadata store refused, so that it is not asked in a busy loop.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the gateways shall know.
pub(crate) struct Registration {
    pub(crate) reader: ReaderId,
    pub(crate) address: String,
    pub(crate) zone: String,
    pub(crate) release: Release,
    pub(crate) lease: Duration,
}

impl Registration {
    /// Keeps the key until `drain`, then takes it away.
    pub(crate) async fn keep(self, metadata: Arc<dyn MetadataStore>, drain: Drain) {
        let draining = drain.draining();
        tokio::pin!(draining);
        let mut held = None;
        loop {
            let step = async {
                match self.step(metadata.as_ref(), held).await {
                    Ok(lease) => {
                        held = Some(lease);
                        tokio::time::sleep(self.lease / RENEWALS_PER_LEASE).await;
                    }
                    Err(error) => {
                        tracing::warn!(%error, reader = %self.reader, "registration failed");
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                }
            };
            tokio::select! {
                () = step => {}
                () = &mut draining => break,
            }
        }
        if let Some(lease) = held
            && let Err(error) = metadata.revoke_lease(lease).await
        {
            tracing::debug!(%error, "lease is left to expire");
        }
    }

    /// Renews the lease, or takes a new one where there is none any more.
    async fn step(
        &self,
        metadata: &dyn MetadataStore,
        held: Option<LeaseId>,
    ) -> Result<LeaseId, MetadataError> {
        if let Some(lease) = held {
            match metadata.keep_alive(lease).await {
                Ok(()) => return Ok(lease),
                Err(MetadataError::LeaseGone(_)) => {
                    tracing::warn!(reader = %self.reader, "lease was lost: registering again");
                }
                Err(error) => return Err(error),
            }
        }
        let lease = metadata.grant_lease(self.lease).await?;
        let record = ReaderRecord {
            reader: self.reader,
            address: self.address.clone(),
            zone: self.zone.clone(),
            release: self.release,
        };
        let key = Key::Reader(self.reader).to_string();
        // Unconditional: whoever held the number before is this reader's past life.
        let _ = metadata.txn(Txn::new().put_leased(key, record.encode(), lease)).await?;
        Ok(lease)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use metadata::keys::Key;
    use metadata::model::{ReaderRecord, Record as _};
    use metadata::{LeaseId, MemoryStore, MetadataStore as _};
    use process::Drain;
    use protocol::ids::ReaderId;

    use super::{Registration, Release};

    fn registration() -> Registration {
        let (address, zone) = ("reader:9702".to_owned(), "a".to_owned());
        let (reader, release) = (ReaderId(3), Release::THIS);
        Registration { reader, address, zone, release, lease: Duration::from_secs(10) }
    }

    async fn registered(metadata: &MemoryStore) -> Option<ReaderRecord> {
        let entry = metadata.get(&Key::Reader(ReaderId(3)).to_string()).await.unwrap()?;
        Some(ReaderRecord::decode(&entry.value).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_is_registered_as_long_as_it_serves() {
        let metadata = MemoryStore::new();
        let drain = Drain::new();
        let keep = registration().keep(Arc::new(metadata.clone()), drain.clone());
        drain.spawn("registration", keep);
        // Several leases long: they are renewed.
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let record = registered(&metadata).await.expect("the lease is kept");
            assert_eq!((record.address.as_str(), record.zone.as_str()), ("reader:9702", "a"));
        }
        assert!(drain.finish(Duration::from_secs(1)).await);
        assert_eq!(registered(&metadata).await, None);
    }

    /// A lease may end early (etcd #15247); the reader comes back under a new one.
    #[tokio::test(start_paused = true)]
    async fn a_lost_lease_is_replaced() {
        let metadata = MemoryStore::new();
        let registration = registration();
        let first: LeaseId = registration.step(&metadata, None).await.unwrap();
        assert_eq!(registration.step(&metadata, Some(first)).await.unwrap(), first);
        metadata.revoke_lease(first).await.unwrap();
        assert_eq!(registered(&metadata).await, None);
        let second = registration.step(&metadata, Some(first)).await.unwrap();
        assert_ne!(second, first);
        assert!(registered(&metadata).await.is_some());
    }
}
