//! What the probe tells the operator: the configuration key, the reason, the fix.

use crate::store::{Store, StoreError, StoreErrorKind};

/// The store cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProbeError {
    /// Nobody listens at the address.
    #[error(
        "`store.endpoint`: cannot connect to {address}: {cause}; \
         start the object store, or correct the address"
    )]
    Unreachable {
        /// Where we tried.
        address: String,
        /// The store's words.
        cause: StoreError,
    },
    /// The credentials, or their rights, are not good enough.
    #[error(
        "`store.access_key_id` and `store.secret_access_key`: {address} refuses them: {cause}; \
         correct them, and let them list, read and write `{url}`"
    )]
    Denied {
        /// Who refused.
        address: String,
        /// What we asked for.
        url: String,
        /// The store's words.
        cause: StoreError,
    },
    /// The bucket of the URL does not exist.
    #[error(
        "`store.url`: the bucket of `{url}` does not exist at {address}; \
         create it, or correct the name"
    )]
    NoBucket {
        /// As configured.
        url: String,
        /// Where it was looked for.
        address: String,
    },
    /// The store breaks a promise that every acknowledgement rests on.
    #[error(
        "`store.url`: `{url}` is not safe: {what}; acknowledged records would be lost on it; \
         use an object store with atomic conditional writes (If-None-Match and If-Match)"
    )]
    Promise {
        /// As configured.
        url: String,
        /// What was seen.
        what: String,
    },
    /// Any other failure.
    #[error("`store.url`: `{url}` does not work: {cause}")]
    Other {
        /// As configured.
        url: String,
        /// The store's words.
        cause: StoreError,
    },
}

impl ProbeError {
    pub(super) fn promise(store: &Store, what: impl Into<String>) -> Self {
        Self::Promise { url: store.url().to_owned(), what: what.into() }
    }

    pub(super) fn explain(store: &Store, cause: StoreError) -> Self {
        let (url, address) = (store.url().to_owned(), store.address().to_owned());
        match cause.kind {
            StoreErrorKind::Unreachable => Self::Unreachable { address, cause },
            StoreErrorKind::Denied => Self::Denied { address, url, cause },
            StoreErrorKind::NoBucket => Self::NoBucket { url, address },
            StoreErrorKind::NotFound
            | StoreErrorKind::Unavailable
            | StoreErrorKind::Overloaded
            | StoreErrorKind::Damaged => Self::Other { url, cause },
        }
    }
}
