//! What stays, into objects that cover all offsets that were read.
//!
//! ```text
//! batches    0..9    10..19   20..29   30..39      20..29 was dropped
//! objects   [0..9    10..19] [         30..39]     and the last covers it
//! ```
//!
//! A gap belongs to the batch behind it. Behind the last one there is none, so that one stays, emptied
//! if need be: every block ends with a batch, and whoever asks for an offset finds the next.

use bytes::Bytes;
use hop::internal::CompactedRun;
use protocol::batch::{BatchView, emptied};
use protocol::ids::PartitionId;
use segment::keys;
use segment::object::ObjectBuilder;
use uuid::Uuid;

use crate::blocks::Covered;
use crate::objects::{Objects, run_of};
use crate::rewrite::RewriteError;

/// Collects one partition's batches, and writes objects as they become full.
pub(crate) struct Output<'a> {
    objects: Objects<'a>,
    object_max: usize,
    partition: PartitionId,
    object: ObjectBuilder,
    /// Where the object begins.
    start: i64,
    /// What the next batch covers from here on.
    from: i64,
    /// The last batch, if it was dropped.
    dropped: Option<Bytes>,
    runs: Vec<CompactedRun>,
}

impl<'a> Output<'a> {
    /// From `start` on, into objects of about `object_max` bytes.
    pub(crate) fn new(
        objects: Objects<'a>,
        object_max: usize,
        partition: PartitionId,
        start: i64,
    ) -> Self {
        Self {
            objects,
            object_max,
            partition,
            object: ObjectBuilder::new(),
            start,
            from: start,
            dropped: None,
            runs: Vec::new(),
        }
    }

    /// Takes a batch, or what is left of it.
    pub(crate) async fn push(
        &mut self,
        before: &Covered,
        left: Option<Bytes>,
    ) -> Result<(), RewriteError> {
        let Some(left) = left else {
            self.dropped = Some(before.bytes.clone());
            return Ok(());
        };
        self.dropped = None;
        self.add(left)?;
        if self.object.payload_len() >= self.object_max { self.flush().await } else { Ok(()) }
    }

    /// Ends an object behind what was pushed last, though it was dropped. Where that is.
    pub(crate) async fn cut(&mut self) -> Result<i64, RewriteError> {
        if let Some(dropped) = self.dropped.take() {
            let partition = self.partition;
            let last = BatchView::whole(&dropped)
                .map_err(|error| RewriteError::Batch { partition, error })?;
            self.add(emptied(&last))?;
        }
        self.flush().await?;
        Ok(self.from)
    }

    /// What was written.
    pub(crate) async fn finish(mut self) -> Result<Vec<CompactedRun>, RewriteError> {
        self.cut().await?;
        Ok(self.runs)
    }

    fn add(&mut self, batch: Bytes) -> Result<(), RewriteError> {
        let partition = self.partition;
        let view =
            BatchView::whole(&batch).map_err(|error| RewriteError::Batch { partition, error })?;
        let next = view.last_offset() + 1;
        self.object
            .add_covering(partition, self.from, batch)
            .map_err(|error| RewriteError::Add { partition, error })?;
        self.from = next;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), RewriteError> {
        if self.object.is_empty() {
            return Ok(());
        }
        let key = keys::compacted(&self.partition, self.start, Uuid::new_v4());
        let footer = self.objects.put("own", &key, std::mem::take(&mut self.object)).await?;
        self.runs.push(run_of(self.partition, &key, &footer, &(self.start..self.from)));
        self.start = self.from;
        Ok(())
    }
}
