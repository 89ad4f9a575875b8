//! Writing compacted objects: under names of their own, without a condition (R21).

use std::ops::Range;

use hop::internal::CompactedRun;
use protocol::ids::PartitionId;
use segment::object::{Footer, ObjectBuilder};
use segment::{Key, Store};

use crate::metrics;
use crate::pacer::Pacer;
use crate::rewrite::RewriteError;

/// Where objects go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objects<'a> {
    pub(crate) store: &'a Store,
    pub(crate) pacer: &'a Pacer,
    pub(crate) part_bytes: usize,
}

impl Objects<'_> {
    /// Stores an object of this kind.
    pub(crate) async fn put(
        &self,
        kind: &'static str,
        key: &Key,
        object: ObjectBuilder,
    ) -> Result<Footer, RewriteError> {
        let (payload, footer) = object.finish_compacted(key, self.store.keyring())?;
        let bytes = payload.iter().map(|chunk| chunk.len() as u64).sum();
        self.pacer.take(bytes).await;
        self.store.put_in_parts(key, payload, self.part_bytes).await?;
        metrics::wrote(kind, bytes);
        Ok(footer)
    }
}

/// What a manifest will say about a partition's part of an object that covers these offsets.
pub(crate) fn run_of(
    partition: PartitionId,
    key: &Key,
    footer: &Footer,
    offsets: &Range<i64>,
) -> CompactedRun {
    let (mut size, mut max_timestamp) = (0, i64::MIN);
    for block in footer.blocks_of(partition, key) {
        size += u64::from(block.byte_len);
        max_timestamp = max_timestamp.max(block.max_timestamp);
    }
    CompactedRun {
        key: key.to_string(),
        base_offset: offsets.start,
        last_offset: offsets.end - 1,
        size,
        max_timestamp,
    }
}
