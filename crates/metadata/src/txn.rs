//! Transactions: compares that say what a decision was based on, and the changes it makes.
//!
//! Whatever one store would refuse (etcd's limits, a key changed twice) is refused for all by
//! [`Txn::check`], so that code tried with the memory store does not meet new rules in production.

use bytes::Bytes;

use crate::{
    limits,
    store::{LeaseId, MetadataError},
};

/// "If all of these hold, do all of those."
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What must hold.
    pub compares: Vec<Compare>,
    /// What is then done, each key at most once.
    pub ops: Vec<Op>,
}

/// One condition of a transaction. An absent key has both revisions 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key looked at.
    pub key: String,
    /// What it must look like.
    pub expected: Expected,
}

/// What a [`Compare`] expects of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Not changed since this revision; 0: the key is absent.
    ModRevision(i64),
    /// Still the same life of the key (R11); 0: the key is absent.
    CreateRevision(i64),
}

/// One change of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes a key, and binds it to a lease or frees it from one.
    Put {
        /// The key.
        key: String,
        /// The new value.
        value: Bytes,
        /// The key vanishes with this lease.
        lease: Option<LeaseId>,
    },
    /// Removes a key; a missing one is fine.
    Delete {
        /// The key.
        key: String,
    },
}

impl Op {
    /// The key this operation changes.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

impl Txn {
    /// An empty transaction, to be filled by the methods below.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires that the key was last changed at this revision (0: is absent).
    #[must_use]
    pub fn when_mod(mut self, key: impl Into<String>, revision: i64) -> Self {
        let expected = Expected::ModRevision(revision);
        self.compares.push(Compare { key: key.into(), expected });
        self
    }

    /// Requires that the key was created at this revision and never deleted since.
    #[must_use]
    pub fn when_created(mut self, key: impl Into<String>, revision: i64) -> Self {
        let expected = Expected::CreateRevision(revision);
        self.compares.push(Compare { key: key.into(), expected });
        self
    }

    /// Requires that the key does not exist.
    #[must_use]
    pub fn when_absent(self, key: impl Into<String>) -> Self {
        self.when_mod(key, 0)
    }

    /// Writes a key without a lease.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.ops.push(Op::Put { key: key.into(), value: value.into(), lease: None });
        self
    }

    /// Writes a key that vanishes with `lease`.
    #[must_use]
    pub fn put_leased(
        mut self,
        key: impl Into<String>,
        value: impl Into<Bytes>,
        lease: LeaseId,
    ) -> Self {
        self.ops.push(Op::Put { key: key.into(), value: value.into(), lease: Some(lease) });
        self
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.ops.push(Op::Delete { key: key.into() });
        self
    }

    /// Refuses what some store could not do, so that all stores refuse the same.
    pub fn check(&self) -> Result<(), MetadataError> {
        if self.compares.len() > limits::TXN_OPS_MAX || self.ops.len() > limits::TXN_OPS_MAX {
            return Err(MetadataError::Invalid("more than 128 compares or operations"));
        }
        let bytes: usize = self.ops.iter().map(op_bytes).sum();
        if bytes > limits::TXN_BYTES_MAX {
            return Err(MetadataError::Invalid("more than 1 MiB in one transaction"));
        }
        let mut keys: Vec<&str> = self.ops.iter().map(Op::key).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(MetadataError::Invalid("a key is changed twice"));
        }
        let compared = self.compares.iter().map(|compare| compare.key.as_str());
        if keys.iter().copied().chain(compared).any(str::is_empty) {
            return Err(MetadataError::Invalid("an empty key"));
        }
        Ok(())
    }
}

fn op_bytes(op: &Op) -> usize {
    match op {
        Op::Put { key, value, .. } => key.len() + value.len(),
        Op::Delete { key } => key.len(),
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum TxnOutcome {
    /// Every operation is applied and visible at this revision.
    Committed {
        /// The revision of the change.
        revision: i64,
    },
    /// A compare failed; nothing changed.
    Conflict,
}

impl TxnOutcome {
    /// Whether the operations were applied.
    pub fn is_committed(self) -> bool {
        matches!(self, Self::Committed { .. })
    }
}
