//! The version of transactions that a client speaks, as a tagged field of its request (KIP-890).
//!
//! Kafka tells it by the version of the request; behind a gateway there is one version only (R48).
//! From version 2 on a client expects a new epoch at the end of each transaction, and what it sends
//! becomes part of its transaction by itself.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};

/// Kafka numbers its own tags from 0; ours start where it will not get.
const TAG: i32 = 10_000;

/// Says, among the tagged fields of a request, what its client speaks.
pub fn set(tags: &mut BTreeMap<i32, Bytes>, version: i16) {
    tags.insert(TAG, Bytes::copy_from_slice(&version.to_be_bytes()));
}

/// What the client speaks; 1 if nobody said.
pub fn get(tags: &BTreeMap<i32, Bytes>) -> i16 {
    let field = tags.get(&TAG).filter(|field| field.len() == 2);
    field.map_or(1, |field| field.clone().get_i16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_back() {
        let mut tags = BTreeMap::new();
        assert_eq!(get(&tags), 1);
        set(&mut tags, 2);
        assert_eq!(get(&tags), 2);
        tags.insert(TAG, Bytes::from_static(b"\x02"));
        assert_eq!(get(&tags), 1, "a field of another length says nothing");
    }
}
