//! The simulated etcd: the project's memory store on a host of its own, behind a network.
//!
//! Each host has its own [`Etcd`] handle. The store and its leases live on the service's host, whose
//! time never stops with a client's.

use std::time::Duration;

use async_trait::async_trait;
use metadata::{
    Entry, LeaseId, Listing, MemoryStore, MetadataError, MetadataStore, Txn, TxnOutcome,
    WatchStream, Watched,
};
use tokio::sync::mpsc;

use crate::faults::Faults;
use crate::remote::Service;
use crate::trace::Trace;

/// Median time of a request, there and back.
const MEDIAN: Duration = Duration::from_millis(3);
/// After this a client gives a request up.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Watched changes under way to one watcher.
const EVENTS_QUEUED_MAX: usize = 1_000;
/// A change reaches a watcher at most this much later.
const EVENT_DELAY_MS: u64 = 20;

/// One host's way to the metadata store; cheap to clone.
#[derive(Clone)]
pub struct Etcd {
    host: String,
    store: MemoryStore,
    service: Service,
    faults: Faults,
    trace: Trace,
}

// === impl Etcd ===

impl Etcd {
    /// An empty store.
    pub fn new(service: Service, faults: Faults, trace: Trace) -> Self {
        Self { host: String::new(), store: MemoryStore::new(), service, faults, trace }
    }

    /// The same store as a host sees it.
    pub fn seen_from(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// Sends a request; `None` if no answer came.
    async fn request<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, MetadataError>> + Send + 'static,
    ) -> Option<Result<T, MetadataError>> {
        if self.faults.is_cut_from_metadata(&self.host) {
            tokio::time::sleep(CLIENT_TIMEOUT).await;
            return Some(Err(unavailable("no route")));
        }
        if self.faults.happens(self.faults.metadata().unavailable) {
            tokio::time::sleep(MEDIAN).await;
            return Some(Err(unavailable("no leader")));
        }
        let latency = || self.faults.latency(MEDIAN / 2, 1.0);
        let (there, back) = (latency(), latency());
        let call = self.service.call(there, back, work);
        tokio::time::timeout(CLIENT_TIMEOUT, call).await.ok().flatten()
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, MetadataError>> + Send + 'static,
    ) -> Result<T, MetadataError> {
        self.request(work).await.unwrap_or_else(|| Err(unavailable("no answer")))
    }
}

fn unavailable(why: &str) -> MetadataError {
    MetadataError::Unavailable(why.to_owned())
}

#[async_trait]
impl MetadataStore for Etcd {
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError> {
        let (store, key) = (self.store.clone(), key.to_owned());
        self.read(async move { store.get(&key).await }).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError> {
        let (store, prefix) = (self.store.clone(), prefix.to_owned());
        self.read(async move { store.list(&prefix).await }).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError> {
        let (store, trace, host) = (self.store.clone(), self.trace.clone(), self.host.clone());
        let what: Vec<String> = txn.ops.iter().map(|op| op.key().to_owned()).collect();
        let work = async move {
            let outcome = store.txn(txn).await;
            trace.line(format_args!("{host} metadata txn {what:?}: {outcome:?}"));
            outcome
        };
        let unknown = || MetadataError::Unknown("no answer".to_owned());
        let lost = self.faults.happens(self.faults.metadata().unknown);
        match self.request(work).await {
            Some(Ok(_)) if lost => Err(unknown()),
            Some(outcome) => outcome,
            None => Err(unknown()),
        }
    }

    async fn watch(&self, prefix: &str, from_revision: i64) -> Result<WatchStream, MetadataError> {
        let (store, prefix) = (self.store.clone(), prefix.to_owned());
        let mut source =
            self.read(async move { store.watch(&prefix, from_revision).await }).await?;
        let (events, delivered) = mpsc::channel(EVENTS_QUEUED_MAX);
        let (faults, host) = (self.faults.clone(), self.host.clone());
        self.service.run(async move {
            loop {
                let watched = tokio::select! {
                    watched = source.next() => watched,
                    () = events.closed() => return,
                };
                let delay = Duration::from_millis(faults.pick(EVENT_DELAY_MS));
                tokio::time::sleep(delay).await;
                let rates = faults.metadata();
                // A watcher that was cut off finds that history has moved on, and lists again.
                let broken =
                    faults.is_cut_from_metadata(&host) || faults.happens(rates.watch_broken);
                let watched = if broken { Watched::Compacted } else { watched };
                if faults.happens(rates.event_twice) && events.send(watched.clone()).await.is_err()
                {
                    return;
                }
                let over = matches!(watched, Watched::Compacted);
                if events.send(watched).await.is_err() || over {
                    return;
                }
            }
        });
        Ok(WatchStream::new(futures::stream::unfold(delivered, |mut delivered| async {
            let watched = delivered.recv().await?;
            Some((watched, delivered))
        })))
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError> {
        let store = self.store.clone();
        self.read(async move { store.grant_lease(ttl).await }).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        let store = self.store.clone();
        if self.faults.happens(self.faults.metadata().lease_lost) {
            // A stalled leader revoked it (etcd #15247): a lease is a hint (R5).
            self.trace.line(format_args!("{} metadata lease {lease} lost", self.host));
            self.read(async move { store.revoke_lease(lease).await }).await?;
            return Err(MetadataError::LeaseGone(lease));
        }
        self.read(async move { store.keep_alive(lease).await }).await
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError> {
        let store = self.store.clone();
        self.read(async move { store.revoke_lease(lease).await }).await
    }
}
