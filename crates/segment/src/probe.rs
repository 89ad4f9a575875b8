//! Start-up probe: refuses a store that would lose acknowledged records (R16).
//!
//! Many stores that speak S3 do not keep the promises of conditional writes:
//! they let two writers create one key, or two updates replace one version.
//! Nothing in this system is safe on such a store, so every role asks before it
//! serves. The probe also turns the usual operator errors (address, credentials,
//! bucket, rights) into one line that names the configuration key and the fix.

mod error;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures::future::{join_all, try_join_all};
use uuid::Uuid;

use crate::keys::{self, Key};
use crate::store::{Created, Op, Store, StoreError, Updated};
use crate::token::{PREAMBLE_LEN, WriterToken};

pub use error::ProbeError;

/// How hard the probe tries to catch the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeSize {
    /// Some dozens of requests: for `dev` and for restarts.
    Quick,
    /// Thousands: what a store must pass before it holds a cluster (R16).
    Full,
}

impl ProbeSize {
    /// Keys that writers race for.
    fn keys(self) -> usize {
        match self {
            Self::Quick => 8,
            Self::Full => 200,
        }
    }

    /// Writers that race for each key. Two are enough to catch a store that
    /// checks first and writes later, and SeaweedFS makes every further one wait
    /// a second for its lock.
    fn writers(self) -> usize {
        match self {
            Self::Quick => 2,
            Self::Full => 32,
        }
    }

    /// Writers that increment the shared counter.
    fn counters(self) -> usize {
        match self {
            Self::Quick => 2,
            Self::Full => 4,
        }
    }

    /// Increments by each of them.
    fn increments(self) -> u64 {
        match self {
            Self::Quick => 6,
            Self::Full => 250,
        }
    }
}

/// Races run at the same time: enough to overlap round trips, few enough to
/// leave each race its simultaneous start.
const RACES_IN_FLIGHT: usize = 8;

/// Checks that the store is there, lets us in, and keeps its promises.
pub async fn probe(store: &Store, size: ProbeSize) -> Result<(), ProbeError> {
    let run = Run { store, id: Uuid::new_v4() };
    let checked = run.check(size).await;
    run.clean_up().await;
    checked
}

/// One run of the probe, with its own keys.
struct Run<'a> {
    store: &'a Store,
    id: Uuid,
}

impl Run<'_> {
    async fn check(&self, size: ProbeSize) -> Result<(), ProbeError> {
        self.reach().await?;
        self.created_once_and_readable().await?;
        self.races(size).await?;
        self.counter(size).await
    }

    /// A listing is the one request whose refusal says what is wrong.
    async fn reach(&self) -> Result<(), ProbeError> {
        let listed = self.store.list(&format!("probe/{}", self.id.simple())).await;
        listed.map(|_| ()).map_err(|error| self.explain(error))
    }

    /// If-None-Match on an existing key, and read-after-write.
    async fn created_once_and_readable(&self) -> Result<(), ProbeError> {
        let key = self.key("once");
        let (token, object) = numbered(1);
        if !self.create(&key, token, object.clone()).await? {
            return Err(ProbeError::promise(self.store, "a fresh key was reported as taken"));
        }
        if self.store.get(&key).await.map_err(|error| self.explain(error))? != object {
            return Err(ProbeError::promise(self.store, "a read after a write returned old bytes"));
        }
        let (token, other) = numbered(2);
        if self.create(&key, token, other).await? {
            return Err(ProbeError::promise(self.store, "an existing key was created again"));
        }
        Ok(())
    }

    async fn races(&self, size: ProbeSize) -> Result<(), ProbeError> {
        let names: Vec<Key> =
            (0..size.keys()).map(|number| self.key(&format!("race-{number}"))).collect();
        for keys in names.chunks(RACES_IN_FLIGHT) {
            try_join_all(keys.iter().map(|key| self.race(key, size.writers()))).await?;
        }
        Ok(())
    }

    /// Of all writers that start together exactly one may create the key.
    async fn race(&self, key: &Key, writers: usize) -> Result<(), ProbeError> {
        let attempts = (0..writers as u64).map(|number| {
            let (token, object) = numbered(number);
            self.create(key, token, object)
        });
        let mut winners = 0;
        for won in join_all(attempts).await {
            winners += usize::from(won?);
        }
        if winners == 1 {
            return Ok(());
        }
        let what = format!("{winners} of {writers} writers created the same key");
        Err(ProbeError::promise(self.store, what))
    }

    /// Concurrent compare-and-swap increments, none of which may get lost.
    async fn counter(&self, size: ProbeSize) -> Result<(), ProbeError> {
        let key = self.key("counter");
        let (token, object) = numbered(0);
        self.create(&key, token, object).await?;
        let increments = size.increments();
        let counters = (0..size.counters()).map(|_| async {
            for _ in 0..increments {
                self.increment(&key).await?;
            }
            Ok::<_, StoreError>(())
        });
        try_join_all(counters).await.map_err(|error| self.explain(error))?;
        let object = self.store.get(&key).await.map_err(|error| self.explain(error))?;
        let counted = number_in(&object);
        let expected = increments * size.counters() as u64;
        if counted == Some(expected) {
            return Ok(());
        }
        let what = format!("a counter shows {counted:?} after {expected} conditional increments");
        Err(ProbeError::promise(self.store, what))
    }

    async fn increment(&self, key: &Key) -> Result<(), StoreError> {
        loop {
            let missing = || StoreError::damaged(Op::Get, key, "the counter is gone");
            let (object, version) = self.store.get_versioned(key).await?.ok_or_else(missing)?;
            let number = number_in(&object).ok_or_else(missing)?;
            let (token, next) = numbered(number + 1);
            if let Updated::Ours(_) = self.store.update(key, vec![next], token, &version).await? {
                return Ok(());
            }
        }
    }

    async fn create(
        &self,
        key: &Key,
        token: WriterToken,
        object: Bytes,
    ) -> Result<bool, ProbeError> {
        match self.store.create(key, vec![object], token).await {
            Ok(Created::Ours(_)) => Ok(true),
            Ok(Created::Exists) => Ok(false),
            Err(error) => Err(self.explain(error)),
        }
    }

    fn explain(&self, error: StoreError) -> ProbeError {
        ProbeError::explain(self.store, error)
    }

    fn key(&self, name: &str) -> Key {
        keys::probe(self.id, name)
    }

    /// Leaves nothing behind where the role may delete; where it may not (R19),
    /// the objects are small and the garbage collector knows their prefix.
    async fn clean_up(&self) {
        let Ok(listed) = self.store.list(&format!("probe/{}", self.id.simple())).await else {
            return;
        };
        for objects in listed.chunks(RACES_IN_FLIGHT) {
            join_all(objects.iter().map(|object| self.store.delete(&object.key))).await;
        }
    }
}

/// An object with a number in it.
fn numbered(number: u64) -> (WriterToken, Bytes) {
    let token = WriterToken::random();
    let mut object = BytesMut::with_capacity(PREAMBLE_LEN + 8);
    object.put_slice(b"TCLP\x01\0\0\0");
    object.put_slice(&token.0);
    object.put_u64(number);
    (token, object.freeze())
}

fn number_in(object: &[u8]) -> Option<u64> {
    object.get(PREAMBLE_LEN..)?.try_get_u64().ok()
}

#[cfg(test)]
mod tests;
