//! Whether the client of a request knows THROTTLING_QUOTA_EXCEEDED, as a tagged field of what it asks
//! control for (KIP-599). Behind the gateway there is one version (R48), but older clients have to
//! be served and made to wait.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Kafka numbers its own tags from 0; ours start where it will not get.
const TAG: i32 = 10_002;

/// Says that it does, in a request's unknown tagged fields.
pub fn set(fields: &mut BTreeMap<i32, Bytes>) {
    fields.insert(TAG, Bytes::new());
}

/// Whether it does.
pub fn get(fields: &BTreeMap<i32, Bytes>) -> bool {
    fields.contains_key(&TAG)
}
