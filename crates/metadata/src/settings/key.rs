//! Data keys of tenants, wrapped: what a tenant's records are sealed with in the object store.
//!
//! Under the tenant's own id, `{number}` is a wrapped key, and [`CURRENT`] says which of them seals
//! new records; without it none are sealed. A key stays when another takes its place, because older
//! records need it. A wrapped key is of no use to whoever reads it here.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::Settings;
use crate::model::{DecodeError, Record, open, seal};

/// The name of the setting that says which key seals.
pub const CURRENT: &str = "current";

/// Keys of one tenant: a rotation a week for a lifetime.
pub const KEYS_MAX: usize = 4_096;

/// A data key that only a key-encryption key unwraps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key-encryption key, by the name that its keeper knows.
    pub kek: String,
    /// Whatever that keeper makes of a data key.
    pub sealed: Bytes,
}

/// Which key seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentKey(pub u32);

/// A tenant's keys, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantKeys {
    /// The key that seals; `None` if the tenant's records are not sealed.
    pub current: Option<u32>,
    /// All keys.
    pub wrapped: BTreeMap<u32, WrappedKey>,
}

impl TenantKeys {
    /// Of a tenant's settings. What cannot be read is no key; if it says which key seals, then a
    /// key that nobody has: in doubt nothing is stored in plain text.
    pub fn new(settings: &Settings) -> Self {
        let mut keys = Self::default();
        for (name, value) in &settings.entries {
            if name == CURRENT {
                keys.current = Some(CurrentKey::decode(value).map_or(0, |current| current.0));
                continue;
            }
            let wrapped = WrappedKey::decode(value).ok();
            match name.parse().ok().zip(wrapped) {
                Some((number, wrapped)) => drop(keys.wrapped.insert(number, wrapped)),
                None => tracing::error!(key = name, "a wrapped data key cannot be read"),
            }
        }
        keys
    }

    /// Whether there is nothing of a key.
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.wrapped.is_empty()
    }

    /// The number of the next key: numbers are never used again.
    pub fn next(&self) -> u32 {
        self.wrapped.last_key_value().map_or(1, |(number, _)| number + 1)
    }
}

/// On the store. Tags are never reused.
#[derive(Clone, PartialEq, Message)]
struct WireWrappedKey {
    #[prost(string, tag = "1")]
    kek: String,
    #[prost(bytes = "bytes", tag = "2")]
    sealed: Bytes,
}

/// On the store.
#[derive(Clone, PartialEq, Message)]
struct WireCurrentKey {
    #[prost(uint32, tag = "1")]
    number: u32,
}

impl Record for WrappedKey {
    fn encode(&self) -> Bytes {
        let Self { kek, sealed } = self.clone();
        seal(&WireWrappedKey { kek, sealed })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = WireWrappedKey::decode(open(bytes)?);
        let WireWrappedKey { kek, sealed } = wire.map_err(|error| malformed(&error))?;
        Ok(Self { kek, sealed })
    }
}

impl Record for CurrentKey {
    fn encode(&self) -> Bytes {
        seal(&WireCurrentKey { number: self.0 })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = WireCurrentKey::decode(open(bytes)?).map_err(|error| malformed(&error))?;
        Ok(Self(wire.number))
    }
}

fn malformed(error: &prost::DecodeError) -> DecodeError {
    DecodeError::Malformed { record: "WrappedKey", reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(kek: &str) -> WrappedKey {
        WrappedKey { kek: kek.to_owned(), sealed: Bytes::from_static(b"sealed") }
    }

    fn settings(entries: &[(&str, Bytes)]) -> Settings {
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Settings { revision: 1, entries: entries.collect() }
    }

    #[test]
    fn records_read_back() {
        assert_eq!(WrappedKey::decode(&wrapped("a").encode()), Ok(wrapped("a")));
        assert_eq!(CurrentKey::decode(&CurrentKey(7).encode()), Ok(CurrentKey(7)));
        assert!(WrappedKey::decode(b"").is_err());
    }

    #[test]
    fn keys_are_known_by_number() {
        let entries = [
            ("1", wrapped("a").encode()),
            ("12", wrapped("b").encode()),
            (CURRENT, CurrentKey(12).encode()),
            ("x", wrapped("c").encode()),
        ];
        let keys = TenantKeys::new(&settings(&entries));
        assert_eq!(keys.current, Some(12));
        assert_eq!(keys.wrapped.keys().collect::<Vec<_>>(), [&1, &12]);
        assert_eq!(keys.next(), 13);
        let none = TenantKeys::new(&Settings::default());
        assert!(none.is_empty() && none.next() == 1);
    }

    #[test]
    fn an_unreadable_choice_seals_with_a_key_that_nobody_has() {
        let keys = TenantKeys::new(&settings(&[(CURRENT, Bytes::from_static(b"?"))]));
        assert_eq!(keys.current, Some(0));
    }
}
