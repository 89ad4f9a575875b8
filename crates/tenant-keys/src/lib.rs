//! Tenants' data keys: made and wrapped in one place, unwrapped where records are sealed and opened.
//!
//! ```text
//! control ── make ──► KeyWrapper ──► wrapped data key ──► settings of the tenant
//!                     (key file, KMS)                            │ view
//! nodes, readers, compactors ── follow ── unwrap ◄───────────────┘
//!                                  │
//!                                  ▼
//!                         the store's keyring
//! ```
//!
//! In: the settings of all tenants, and a key-encryption key that no store ever holds.
//! Out: data keys in the keyring of a process, wiped when they go.
//! Never: a data key in a log, an error, a metric, or in any store unwrapped.

pub mod key_file;
pub mod wrapper;

mod follow;
mod metrics;

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

pub use follow::{follow, load, load_of};
pub use key_file::KeyFile;
pub use wrapper::{KeyName, KeyWrapper, NoWrapper, WrapError};

/// `[encryption]`: what unwraps the data keys of tenants whose records are encrypted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncryptionConfig {
    /// File of key-encryption keys, one a line: a name, a colon, and 64 hexadecimal digits. The
    /// first wraps new data keys, the others only unwrap. Nobody but the process's user and group may
    /// read it. It is read again when a key is needed that it did not have. Default: none, and
    /// no tenant can be encrypted.
    pub key_file: Option<PathBuf>,
}

impl EncryptionConfig {
    /// What is configured.
    pub fn wrapper(&self) -> Arc<dyn KeyWrapper> {
        match &self.key_file {
            Some(path) => Arc::new(KeyFile::new(path.clone())),
            None => Arc::new(NoWrapper),
        }
    }
}
