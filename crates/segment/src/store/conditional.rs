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
use object_store::{GetOptions, GetRange, ObjectStore as _, PutMode, PutOptions, PutPayload};
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

/// What reading back found.
enum Found {
    Absent,
    Ours(Version),
    Other(Version),
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
        assert!(token.is_in(&payload), "payload of `{key}` lacks its writer token");
        let payload = PutPayload::from_iter(payload);
        let mut attempts = Attempts::start(self.write_deadline);
        loop {
            let refused = match self.put_once(key, &payload, PutMode::Create).await {
                Ok(version) => {
                    return self.version_or_read(key, version, token).await.map(Created::Ours);
                }
                Err(error) => error,
            };
            match self.read_back(key, token).await {
                Ok(Found::Ours(version)) => return Ok(Created::Ours(version)),
                Ok(Found::Other(_)) => return Ok(Created::Exists),
                Ok(Found::Absent) => attempts.pause(refused).await?,
                Err(error) => attempts.pause(error).await?,
            }
        }
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
        assert!(token.is_in(&payload), "payload of `{key}` lacks its writer token");
        let payload = PutPayload::from_iter(payload);
        let mut attempts = Attempts::start(self.write_deadline);
        loop {
            let mode = PutMode::Update(expected.0.clone());
            let refused = match self.put_once(key, &payload, mode).await {
                Ok(version) => {
                    return self.version_or_read(key, version, token).await.map(Updated::Ours);
                }
                Err(error) => error,
            };
            match self.read_back(key, token).await {
                Ok(Found::Ours(version)) => return Ok(Updated::Ours(version)),
                Ok(Found::Other(current)) if current != *expected => return Ok(Updated::Conflict),
                Ok(Found::Absent) => return Ok(Updated::Conflict),
                Ok(Found::Other(_)) => attempts.pause(refused).await?,
                Err(error) => attempts.pause(error).await?,
            }
        }
    }

    async fn put_once(
        &self,
        key: &Key,
        payload: &PutPayload,
        mode: PutMode,
    ) -> Result<Option<Version>, StoreError> {
        let op = if mode == PutMode::Create { Op::Create } else { Op::Update };
        let path = self.path(op, key)?;
        metrics::request(self.role, op);
        let options = PutOptions { mode, ..PutOptions::default() };
        let result = self.backend.single_attempt.put_opts(&path, payload.clone(), options).await;
        let result = result.map_err(|error| self.failed(op, key, &error))?;
        metrics::bytes(self.role, op, payload.content_length() as u64);
        Ok(Version::of(result.e_tag, result.version))
    }

    /// Who wrote the object that is there now.
    async fn read_back(&self, key: &Key, token: WriterToken) -> Result<Found, StoreError> {
        let path = self.path(Op::GetRange, key)?;
        metrics::request(self.role, Op::GetRange);
        let range = Some(GetRange::Bounded(0..PREAMBLE_LEN as u64));
        let options = GetOptions { range, ..GetOptions::default() };
        let read = async {
            let result = self.backend.retrying.get_opts(&path, options).await?;
            let version = Version::of(result.meta.e_tag.clone(), result.meta.version.clone());
            Ok((version, result.bytes().await?))
        };
        let (version, preamble) = match read.await {
            Ok(found) => found,
            Err(error) => {
                let error = self.failed(Op::GetRange, key, &error);
                return if error.is_not_found() { Ok(Found::Absent) } else { Err(error) };
            }
        };
        let version = version.ok_or_else(|| no_version(Op::GetRange, key))?;
        match WriterToken::of(&preamble) {
            Some(found) if found == token => Ok(Found::Ours(version)),
            _ => Ok(Found::Other(version)),
        }
    }

    /// The version of an applied write, from its answer or, where the store
    /// leaves it out, from the object.
    async fn version_or_read(
        &self,
        key: &Key,
        version: Option<Version>,
        token: WriterToken,
    ) -> Result<Version, StoreError> {
        if let Some(version) = version {
            return Ok(version);
        }
        match self.read_back(key, token).await? {
            Found::Ours(version) => Ok(version),
            // Replaced already: a version nobody will accept, so the next update
            // with it reports the conflict.
            Found::Other(_) | Found::Absent => Err(no_version(Op::Create, key)),
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
