//! Conditional writes whose answer can be trusted.
//!
//! The store's answers to a conditional PUT mean less than they say. An error,
//! a time-out or "exists" may each hide our own applied write, and a 409 may
//! hide nobody's. So every answer but success means "unknown", and the object
//! is read back and compared (R13, R17):
//!
//! ```text
//! PUT ──200──────────────────────────────────────────▶ done
//!  │ anything else
//!  ▼
//! GET ──our token───────────────────────────────────▶ done
//!  ├────another token, or another version than asked ▶ lost: never acknowledge
//!  └────absent, or still the version we replace ─────▶ wait, PUT the same bytes (R14)
//! ```
//!
//! An absent object is no proof that an earlier attempt cannot land later; that
//! is harmless, because every attempt carries the same bytes.

use std::time::Duration;

use bytes::Bytes;
use object_store::{GetRange, ObjectStore as _, PutMode, PutOptions, PutPayload};
use process::mutation;
use tokio::time::Instant;

use super::error::{StoreError, StoreErrorKind};
use super::metrics::{self, Op};
use super::{Store, Version};
use crate::keys::Key;
use crate::token::{PREAMBLE_LEN, WriterToken};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What became of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The object holds our bytes.
    Ours(Version),
    /// Somebody else's object is there, for ever: slots are never rewritten.
    Exists,
}

/// What became of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated {
    /// The object holds our bytes, and this is their version.
    Ours(Version),
    /// Another version is current. Our bytes were not applied and never will be,
    /// or were applied and have been replaced since.
    Conflict,
}

/// What became of either.
enum Settled {
    Ours(Version),
    Lost,
}

impl From<Settled> for Created {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Ours(version) => Self::Ours(version),
            Settled::Lost => Self::Exists,
        }
    }
}

/// What reading back found.
enum Found {
    Absent,
    Ours(Version),
    Other(Version),
}

/// One conditional write. All its attempts carry the same bytes (R14).
struct Write<'a> {
    key: &'a Key,
    payload: PutPayload,
    token: WriterToken,
    mode: PutMode,
}

impl Store {
    /// Writes the object if its key is free. Never rewrites anything.
    ///
    /// The payload must start with a preamble that carries `token`
    /// ([`crate::token`]). An error leaves unknown whether the object exists:
    /// only the same bytes may be written to this key again (R14).
    pub async fn create(
        &self,
        key: &Key,
        payload: Vec<Bytes>,
        token: WriterToken,
    ) -> Result<Created, StoreError> {
        self.settle(Write::new(key, payload, token, PutMode::Create)).await.map(Created::from)
    }

    /// Replaces the object if `expected` is its current version.
    ///
    /// Payload and errors as in [`Store::create`].
    pub async fn update(
        &self,
        key: &Key,
        payload: Vec<Bytes>,
        token: WriterToken,
        expected: &Version,
    ) -> Result<Updated, StoreError> {
        let mode = PutMode::Update(expected.0.clone());
        match self.settle(Write::new(key, payload, token, mode)).await? {
            Settled::Ours(version) => Ok(Updated::Ours(version)),
            Settled::Lost => Ok(Updated::Conflict),
        }
    }

    /// Like [`Store::create`], but one attempt: for a caller that has its own way of trying again
    /// (R18). An error leaves unknown whether the object exists or will exist.
    pub(crate) async fn try_create(
        &self,
        key: &Key,
        payload: Vec<Bytes>,
        token: WriterToken,
    ) -> Result<Created, StoreError> {
        self.attempt(&Write::new(key, payload, token, PutMode::Create)).await.map(Created::from)
    }

    /// Puts and reads back until it is clear whose bytes are there.
    async fn settle(&self, write: Write<'_>) -> Result<Settled, StoreError> {
        let mut attempts = Attempts::start(self.write_deadline);
        loop {
            match self.attempt(&write).await {
                Ok(settled) => return Ok(settled),
                Err(error) => attempts.pause(error).await?,
            }
        }
    }

    /// Puts once and, after any answer but success, reads back (R13).
    async fn attempt(&self, write: &Write<'_>) -> Result<Settled, StoreError> {
        let refused = match self.put_once(write).await {
            Ok(Some(version)) => return Ok(Settled::Ours(version)),
            Ok(None) => no_version(write.op(), write.key),
            Err(error) => error,
        };
        match self.read_back(write).await? {
            Found::Ours(version) => Ok(Settled::Ours(version)),
            Found::Other(version) if mutation::on("R13") => Ok(Settled::Ours(version)),
            found if write.may_still_win(&found) => Err(refused),
            Found::Other(_) | Found::Absent => Ok(Settled::Lost),
        }
    }

    async fn put_once(&self, write: &Write<'_>) -> Result<Option<Version>, StoreError> {
        let (op, key) = (write.op(), write.key);
        let path = self.path(op, key)?;
        metrics::request(self.role, op);
        let options = PutOptions { mode: write.mode.clone(), ..PutOptions::default() };
        let put = self.backend.single_attempt.put_opts(&path, write.payload.clone(), options);
        let result = put.await.map_err(|error| self.failed(op, key, &error))?;
        metrics::bytes(self.role, op, write.len());
        Ok(Version::of(result.e_tag, result.version))
    }

    /// Who wrote the object that is there now.
    async fn read_back(&self, write: &Write<'_>) -> Result<Found, StoreError> {
        let (op, key) = (Op::GetRange, write.key);
        let range = Some(GetRange::Bounded(0..PREAMBLE_LEN as u64));
        let (preamble, meta) = match self.fetch(op, key, range).await {
            Ok(fetched) => fetched,
            Err(error) if error.is_not_found() => return Ok(Found::Absent),
            Err(error) => return Err(error),
        };
        let version = Version::of(meta.e_tag, meta.version).ok_or_else(|| no_version(op, key))?;
        if WriterToken::of(&preamble) != Some(write.token) {
            return Ok(Found::Other(version));
        }
        if meta.size != write.len() {
            let what = format!("{} bytes of our {} are stored", meta.size, write.len());
            return Err(StoreError::damaged(op, key, what));
        }
        Ok(Found::Ours(version))
    }
}

impl<'a> Write<'a> {
    fn new(key: &'a Key, payload: Vec<Bytes>, token: WriterToken, mode: PutMode) -> Self {
        assert!(token.is_in(&payload), "payload of `{key}` lacks its writer token");
        Self { key, payload: PutPayload::from_iter(payload), token, mode }
    }

    fn op(&self) -> Op {
        if self.mode == PutMode::Create { Op::Create } else { Op::Update }
    }

    fn len(&self) -> u64 {
        self.payload.content_length() as u64
    }

    /// True when what is there now is what this write waits to follow.
    fn may_still_win(&self, found: &Found) -> bool {
        match (&self.mode, found) {
            (PutMode::Create, Found::Absent) => true,
            (PutMode::Update(expected), Found::Other(current)) => current.0 == *expected,
            _ => false,
        }
    }
}

fn no_version(op: Op, key: &Key) -> StoreError {
    StoreError::damaged(op, key, "the store answers without an ETag")
}

/// Spacing of the attempts of one conditional write.
struct Attempts {
    deadline: Instant,
    pause: Duration,
}

impl Attempts {
    fn start(longest: Duration) -> Self {
        Self { deadline: Instant::now() + longest, pause: FIRST_PAUSE }
    }

    /// Waits before the next attempt, or gives up with the last attempt's error.
    async fn pause(&mut self, error: StoreError) -> Result<(), StoreError> {
        // Refused credentials and a missing bucket do not heal within a write.
        let hopeless = matches!(error.kind, StoreErrorKind::Denied | StoreErrorKind::NoBucket);
        if hopeless || Instant::now() + self.pause > self.deadline {
            return Err(error);
        }
        tracing::debug!(%error, pause = ?self.pause, "conditional write is tried again");
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
