//! Loading manifests and committing them by compare-and-swap.

use aws_lc_rs::digest;
use bytes::Bytes;
use protocol::ids::{PartitionId, TenantId, TopicId};

use super::{InvalidManifest, Manifest, wire};
use crate::keys;
use crate::store::{Created, Op, Store, StoreError, Updated, Version};
use crate::token::WriterToken;

/// The stored version that a manifest was read from or committed as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestVersion {
    stored: Version,
    counter: u64,
    hash: [u8; 32],
}

/// A manifest cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The store failed, or the object is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A commit did not happen, or not surely.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Another version is current. Load again and decide anew.
    #[error("manifest was changed by another")]
    Conflict,
    /// Refused before anything was sent.
    #[error("manifest is invalid: {0}")]
    Invalid(#[from] InvalidManifest),
    /// Unknown whether the commit happened: load again before anything else.
    #[error(transparent)]
    Unknown(#[from] StoreError),
}

/// The manifests of all partitions.
#[derive(Debug, Clone)]
pub struct ManifestStore {
    store: Store,
}

impl ManifestStore {
    /// The manifests in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// A partition's manifest and its version, or `None` for a partition nobody ever claimed.
    pub async fn load(
        &self,
        partition: &PartitionId,
    ) -> Result<Option<(Manifest, ManifestVersion)>, LoadError> {
        let loaded = self.load_named(partition.topic, partition.index).await?;
        match loaded {
            Some((manifest, _)) if manifest.partition != *partition => {
                let what = format!("belongs to partition {}", manifest.partition);
                Err(StoreError::damaged(Op::Get, keys::manifest(partition), what).into())
            }
            loaded => Ok(loaded),
        }
    }

    /// The same for whoever has the manifest's key only, which does not name the tenant.
    pub async fn load_named(
        &self,
        topic: TopicId,
        index: i32,
    ) -> Result<Option<(Manifest, ManifestVersion)>, LoadError> {
        let key = keys::manifest(&PartitionId::new(TenantId::SYSTEM, topic, index));
        let Some((object, stored)) = self.store.get_versioned(&key).await? else {
            return Ok(None);
        };
        let damaged = |what: String| StoreError::damaged(Op::Get, &key, what);
        let manifest = wire::decode(&object).map_err(damaged)?;
        if (manifest.partition.topic, manifest.partition.index) != (topic, index) {
            return Err(damaged(format!("belongs to partition {}", manifest.partition)).into());
        }
        manifest.check().map_err(|error| damaged(error.to_string()))?;
        let version = ManifestVersion { stored, counter: manifest.version, hash: hash(&object) };
        Ok(Some((manifest, version)))
    }

    /// Makes `manifest` the successor of `expected`, or the first when that is `None`.
    ///
    /// Version, nonce and previous hash are set here. Returns what was stored.
    pub async fn commit(
        &self,
        manifest: &Manifest,
        expected: Option<&ManifestVersion>,
    ) -> Result<(Manifest, ManifestVersion), CommitError> {
        let (nonce, _) = uuid::Uuid::new_v4().as_u64_pair();
        let manifest = Manifest {
            version: expected.map_or(1, |version| version.counter + 1),
            nonce,
            prev_hash: expected.map_or([0; 32], |version| version.hash),
            ..manifest.clone()
        };
        manifest.check()?;
        let token = WriterToken::random();
        let object = wire::encode(&manifest, token);
        let hash = hash(&object);
        let stored = self.swap(&manifest.partition, object, token, expected).await?;
        let version = ManifestVersion { stored, counter: manifest.version, hash };
        Ok((manifest, version))
    }

    /// Stores `manifest` where there is none, or one that nobody can read: for repairs (R23). The
    /// caller has seen that; whatever was stored since is a conflict.
    pub async fn replace_damaged(&self, manifest: &Manifest) -> Result<Manifest, CommitError> {
        let key = keys::manifest(&manifest.partition);
        let damaged = self.store.get_versioned(&key).await?;
        if damaged.as_ref().is_some_and(|(object, _)| {
            wire::decode(object).is_ok_and(|found| found.check().is_ok())
        }) {
            return Err(CommitError::Conflict);
        }
        let expected = damaged.map(|(object, stored)| {
            // Nobody knows how often it was committed; the nonce keeps contents apart (R22).
            ManifestVersion { stored, counter: 0, hash: hash(&object) }
        });
        let (manifest, _) = self.commit(manifest, expected.as_ref()).await?;
        Ok(manifest)
    }

    async fn swap(
        &self,
        partition: &PartitionId,
        object: Bytes,
        token: WriterToken,
        expected: Option<&ManifestVersion>,
    ) -> Result<Version, CommitError> {
        let key = keys::manifest(partition);
        let Some(expected) = expected else {
            return match self.store.create(&key, vec![object], token).await? {
                Created::Ours(version) => Ok(version),
                Created::Exists => Err(CommitError::Conflict),
            };
        };
        match self.store.update(&key, vec![object], token, &expected.stored).await? {
            Updated::Ours(version) => Ok(version),
            Updated::Conflict => Err(CommitError::Conflict),
        }
    }
}

fn hash(object: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, object);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
