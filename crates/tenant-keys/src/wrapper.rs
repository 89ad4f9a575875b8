//! What keeps data keys: a key-encryption key, and whoever holds it.

use std::fmt;

use futures::future::BoxFuture;
use metadata::settings::key::WrappedKey;
use protocol::ids::TenantId;
use segment::seal::{DataKey, KeyId};

/// Which data key. It is authenticated with the wrapping: a wrapped key that was moved to another
/// tenant, or to another number, does not unwrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyName {
    /// Whose.
    pub tenant: TenantId,
    /// Which of its keys.
    pub key: KeyId,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} of tenant {}", self.key, self.tenant)
    }
}

/// Why a key could not be made, wrapped or unwrapped. No text of it shows a key.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// Nothing is configured that could.
    #[error("no `encryption.key_file` is configured")]
    NotConfigured,
    /// The keeper of the key-encryption keys does not answer, or not as it should.
    #[error("{0}")]
    Keeper(String),
    /// It has no key-encryption key of this name.
    #[error("there is no key-encryption key `{0}`")]
    UnknownKek(String),
    /// The wrapped key was changed, or was wrapped by another key of this name.
    #[error("{name} does not unwrap with key-encryption key `{kek}`")]
    Forged {
        /// The data key.
        name: KeyName,
        /// The key-encryption key.
        kek: String,
    },
}

/// Holds key-encryption keys and never shows them: a file, or a key management service.
///
/// Data keys are few, one per tenant and rotation, and are asked for when a process starts or a key
/// is new: this may take a while, but it must end.
pub trait KeyWrapper: Send + Sync + fmt::Debug {
    /// Makes a data key and wraps it.
    fn make(&self, name: KeyName) -> BoxFuture<'_, Result<WrappedKey, WrapError>>;

    /// Unwraps a data key.
    fn unwrap<'a>(
        &'a self,
        name: KeyName,
        wrapped: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<DataKey, WrapError>>;

    /// Wraps a data key again, with the key-encryption key that wraps new ones; `None` if it is
    /// wrapped by that already.
    fn rewrap<'a>(
        &'a self,
        name: KeyName,
        wrapped: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<Option<WrappedKey>, WrapError>>;
}

/// Nothing is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWrapper;

impl KeyWrapper for NoWrapper {
    fn make(&self, _: KeyName) -> BoxFuture<'_, Result<WrappedKey, WrapError>> {
        Box::pin(async { Err(WrapError::NotConfigured) })
    }

    fn unwrap<'a>(
        &'a self,
        _: KeyName,
        _: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<DataKey, WrapError>> {
        Box::pin(async { Err(WrapError::NotConfigured) })
    }

    fn rewrap<'a>(
        &'a self,
        _: KeyName,
        _: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<Option<WrappedKey>, WrapError>> {
        Box::pin(async { Err(WrapError::NotConfigured) })
    }
}
