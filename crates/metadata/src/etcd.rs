//! The metadata store of a cluster: etcd.
//!
//! What etcd's client library leaves to its user, each found by trying (DEPENDENCIES §4):
//! * a client with several endpoints also sends to dead ones, so there is one client per
//!   endpoint and an own [`picker`];
//! * without keep-alives and timeouts a frozen server hangs a call for ever;
//! * a list above 4 MiB fails, so lists are paged, all pages at one revision;
//! * watches do not reconnect ([`watch`] does);
//! * certificates are taken once ([`tls`] reads them again);
//! * a transaction that got no answer may have been applied: [`MetadataError::Unknown`].

mod endpoint;
mod error;
mod picker;
mod tls;
mod url;
mod watch;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use etcd_client::{
    Client, Compare as EtcdCompare, CompareOp, GetOptions, GetResponse, KeyValue, PutOptions,
    Txn as EtcdTxn, TxnOp,
};

use self::{endpoint::Endpoints, error::Failure, url::EtcdUrl};
use crate::{
    limits::LIST_PAGE_ENTRIES,
    store::{Entry, LeaseId, Listing, MetadataError, MetadataStore, WatchStream},
    txn::{Compare, Expected, Op, Txn, TxnOutcome},
};

pub use tls::EtcdTls;
pub use url::EtcdUrlError;

/// How often a list starts again because its revision was compacted between two pages.
const LIST_ATTEMPTS: u32 = 3;

/// A store in etcd, under one key prefix. Clones share it.
#[derive(Clone)]
pub struct EtcdStore {
    inner: Arc<Inner>,
}

struct Inner {
    endpoints: Endpoints,
    /// Ends with a slash; every key of ours begins with it.
    root: String,
}

// === impl EtcdStore ===

impl EtcdStore {
    /// A store at `etcd://[user:password@]host:port[,host:port...][/prefix]`. Connects when first
    /// used.
    pub fn new(url: &str) -> Result<Self, EtcdUrlError> {
        Self::over(url, None)
    }

    /// The same over TLS, if `tls` says how.
    pub fn over(url: &str, tls: Option<EtcdTls>) -> Result<Self, EtcdUrlError> {
        let EtcdUrl { endpoints, credentials, prefix } = url.parse()?;
        let endpoints = Endpoints::new(endpoints, credentials, tls);
        Ok(Self { inner: Arc::new(Inner { endpoints, root: format!("{prefix}/") }) })
    }

    /// Asks for nothing in particular, to find out early whether etcd answers.
    pub async fn check(&self) -> Result<(), MetadataError> {
        self.get("c/leader").await.map(drop)
    }
}

#[async_trait]
impl MetadataStore for EtcdStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError> {
        let key = self.inner.full(key);
        let found = self.inner.range(&key, None).await?;
        found.kvs().first().map(|kv| self.inner.entry(kv)).transpose()
    }

    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError> {
        for _ in 0..LIST_ATTEMPTS {
            match self.inner.list(prefix).await {
                Ok(listing) => return Ok(listing),
                Err(Failure::Compacted) => {}
                Err(failure) => return Err(failure.of_read()),
            }
        }
        Err(MetadataError::Unavailable("history is compacted faster than a list reads".to_owned()))
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError> {
        txn.check()?;
        let lease = txn.ops.iter().find_map(|op| match op {
            Op::Put { lease, .. } => *lease,
            Op::Delete { .. } => None,
        });
        let request = self.inner.request(txn);
        let answer = self.inner.endpoints.write(request).await;
        let answer = answer.map_err(|failure| match (failure, lease) {
            (Failure::NotFound(_), Some(lease)) => MetadataError::LeaseGone(lease),
            (failure, _) => failure.of_write(),
        })?;
        if !answer.succeeded() {
            return Ok(TxnOutcome::Conflict);
        }
        let revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
        Ok(TxnOutcome::Committed { revision })
    }

    async fn watch(&self, prefix: &str, from_revision: i64) -> Result<WatchStream, MetadataError> {
        Ok(watch::watch(Arc::clone(&self.inner), self.inner.full(prefix), from_revision))
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let seconds = i64::try_from(seconds.max(1)).unwrap_or(i64::MAX);
        // A grant without an answer leaves a lease nobody knows; it ends by itself.
        let granted = self
            .inner
            .endpoints
            .read(|client| async move { client.lease_client().grant(seconds, None).await })
            .await;
        Ok(LeaseId(granted.map_err(Failure::of_read)?.id()))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        let kept = self
            .inner
            .endpoints
            .read(|client| async move { client.lease_client().keep_alive(lease.0).await })
            .await;
        match kept {
            Ok(_) => Ok(()),
            Err(Failure::NotFound(_)) => Err(MetadataError::LeaseGone(lease)),
            Err(failure) => Err(failure.of_read()),
        }
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError> {
        let revoked = self
            .inner
            .endpoints
            .read(|client| async move { client.lease_client().revoke(lease.0).await })
            .await;
        match revoked {
            Ok(_) | Err(Failure::NotFound(_)) => Ok(()),
            Err(failure) => Err(failure.of_read()),
        }
    }
}

// === impl Inner ===

impl Inner {
    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.root)
    }

    /// Our name for an etcd key.
    fn strip(&self, key: &[u8]) -> Result<String, MetadataError> {
        let ours = key.strip_prefix(self.root.as_bytes());
        let text = ours.and_then(|key| std::str::from_utf8(key).ok());
        text.map(str::to_owned)
            .ok_or_else(|| MetadataError::Refused("etcd answered with a foreign key".to_owned()))
    }

    fn entry(&self, kv: &KeyValue) -> Result<Entry, MetadataError> {
        Ok(Entry {
            key: self.strip(kv.key())?,
            value: Bytes::copy_from_slice(kv.value()),
            mod_revision: kv.mod_revision(),
            create_revision: kv.create_revision(),
        })
    }

    async fn range(
        &self,
        key: &str,
        options: Option<GetOptions>,
    ) -> Result<GetResponse, MetadataError> {
        self.try_range(key, options).await.map_err(Failure::of_read)
    }

    async fn try_range(
        &self,
        key: &str,
        options: Option<GetOptions>,
    ) -> Result<GetResponse, Failure> {
        let call = |client: Client| {
            let options = options.clone();
            async move { client.kv_client().get(key, options).await }
        };
        self.endpoints.read(call).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, Failure> {
        let mut from = self.full(prefix);
        let end = prefix_end(&from);
        let mut listing = Listing::default();
        loop {
            let options = GetOptions::new()
                .with_range(end.clone())
                .with_limit(LIST_PAGE_ENTRIES)
                // 0, on the first page, means now.
                .with_revision(listing.revision);
            let page = self.try_range(&from, Some(options)).await?;
            if listing.revision == 0 {
                listing.revision = page.header().map_or(0, etcd_client::ResponseHeader::revision);
            }
            for kv in page.kvs() {
                let entry = self.entry(kv).map_err(|error| Failure::Refused(error.to_string()))?;
                listing.entries.push(entry);
            }
            match listing.entries.last() {
                Some(last) if page.more() => from = format!("{}\0", self.full(&last.key)),
                _ => return Ok(listing),
            }
        }
    }

    fn request(&self, txn: Txn) -> EtcdTxn {
        let compares: Vec<_> = txn.compares.iter().map(|compare| self.compare(compare)).collect();
        let ops: Vec<_> = txn.ops.into_iter().map(|op| self.op(op)).collect();
        EtcdTxn::new().when(compares).and_then(ops)
    }

    fn compare(&self, compare: &Compare) -> EtcdCompare {
        let key = self.full(&compare.key);
        match compare.expected {
            Expected::ModRevision(revision) => {
                EtcdCompare::mod_revision(key, CompareOp::Equal, revision)
            }
            Expected::CreateRevision(revision) => {
                EtcdCompare::create_revision(key, CompareOp::Equal, revision)
            }
        }
    }

    fn op(&self, op: Op) -> TxnOp {
        match op {
            Op::Put { key, value, lease } => {
                let options = lease.map(|lease| PutOptions::new().with_lease(lease.0));
                TxnOp::put(self.full(&key), value, options)
            }
            Op::Delete { key } => TxnOp::delete(self.full(&key), None),
        }
    }
}

/// The first key after every key with this prefix, which is never empty and ends in ASCII.
fn prefix_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

#[cfg(test)]
mod tests;
