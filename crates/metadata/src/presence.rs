//! Keeping a key under a lease, for processes that have no other record (ADR 0035).
//!
//! The lease is a hint about who is up and nothing else (R5): when it is lost, a new one is taken
//! and the key written again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use process::Drain;
use tokio::time::sleep;

use crate::{LeaseId, MetadataError, MetadataStore, Txn};

/// How long the key outlives its process.
const LEASE: Duration = Duration::from_secs(10);

/// Keeps the key until `drain`, then takes it away.
pub async fn keep(metadata: Arc<dyn MetadataStore>, key: String, value: Bytes, drain: Drain) {
    let mut held = None;
    while !drain.is_draining() {
        match renew(&*metadata, &key, &value, held).await {
            Ok(lease) => held = Some(lease),
            Err(error) => tracing::debug!(%error, key, "not registered"),
        }
        // A third of it: one lost renewal is no loss.
        tokio::select! {
            () = drain.draining() => {}
            () = sleep(LEASE / 3) => {}
        }
    }
    if let Some(lease) = held
        && let Err(error) = metadata.revoke_lease(lease).await
    {
        tracing::debug!(%error, key, "lease is left to expire");
    }
}

async fn renew(
    metadata: &dyn MetadataStore,
    key: &str,
    value: &Bytes,
    held: Option<LeaseId>,
) -> Result<LeaseId, MetadataError> {
    if let Some(lease) = held {
        match metadata.keep_alive(lease).await {
            Ok(()) => return Ok(lease),
            Err(MetadataError::LeaseGone(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let lease = metadata.grant_lease(LEASE).await?;
    let _ = metadata.txn(Txn::new().put_leased(key, value.clone(), lease)).await?;
    Ok(lease)
}
