//! The shards of groups and transactional ids that an answer to ListGroups or ListTransactions is
//! complete for, as a tagged field of it.
//!
//! A node lists what it coordinates, and while a shard moves that may be on no node, or not on any that
//! was asked. Whoever joins the lists has to know which shards are in none of them: half a list
//! looks like groups that are gone.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Kafka numbers its own tags from 0; ours start where it will not get.
const TAG: i32 = 10_000;

/// Says which shards are listed, among the tagged fields of an answer.
pub fn set(fields: &mut BTreeMap<i32, Bytes>, shards: &[i32]) {
    let mut bytes = BytesMut::with_capacity(size_of_val(shards));
    shards.iter().for_each(|shard| bytes.put_i32(*shard));
    fields.insert(TAG, bytes.freeze());
}

/// The shards that are listed: none if the sender did not say.
pub fn get(fields: &BTreeMap<i32, Bytes>) -> Vec<i32> {
    let mut bytes = fields.get(&TAG).cloned().unwrap_or_default();
    std::iter::from_fn(|| bytes.try_get_i32().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_come_back() {
        let mut fields = BTreeMap::new();
        assert_eq!(get(&fields), Vec::<i32>::new());
        set(&mut fields, &[3, 0, 49]);
        assert_eq!(get(&fields), [3, 0, 49]);
        fields.insert(TAG, Bytes::from_static(b"\0\0\0"));
        assert_eq!(get(&fields), Vec::<i32>::new(), "not in four bytes each");
    }
}
