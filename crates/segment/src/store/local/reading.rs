//! Reads of a directory that share the disk with a write-ahead log.
//!
//! A disk serves what is queued, not who waits. A range of many megabytes, read ahead by the kernel as
//! a whole, puts a log's write of a few kilobytes behind all of it; ten such reads at once behind ten
//! times as much. So a long range is read piece by piece, without read-ahead, a few ranges at a time:
//! what is in the queue before a write is [`LONG_READS_MAX`] pieces. That is still as fast as a
//! local disk is.
//!
//! And a long range is read once: whoever wants it again keeps it in a cache of a known size. Left in
//! the page cache as well, it would take the memory of whoever shares that.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use object_store::{GetResult, GetResultPayload, Result};
use rustix::fs::{Advice, fadvise};
use tokio::sync::Semaphore;

use super::{PIECE_BYTES, generic};

/// Long ranges read at the same time by one process.
const LONG_READS_MAX: usize = 2;

/// See the module's description.
#[derive(Debug, Clone)]
pub(super) struct Reading(Arc<Semaphore>);

// === impl Reading ===

impl Reading {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(LONG_READS_MAX)))
    }

    /// The same result; its bytes, once asked for, come as one piece.
    pub(super) fn gently(&self, result: GetResult) -> GetResult {
        let GetResult { payload, meta, range, attributes, extensions } = result;
        let payload = match payload {
            GetResultPayload::File(file, _) if range.end - range.start > PIECE_BYTES as u64 => {
                let reading = self.clone().read(file, range.clone());
                GetResultPayload::Stream(stream::once(reading).boxed())
            }
            payload => payload,
        };
        GetResult { payload, meta, range, attributes, extensions }
    }

    async fn read(self, file: File, range: Range<u64>) -> Result<Bytes> {
        let permit = self.0.acquire_owned().await.expect("never closed");
        let bytes = tokio::task::spawn_blocking(move || {
            // Here, because the read goes on when the caller is dropped.
            let _permit = permit;
            in_pieces(&file, &range)
        });
        bytes.await?.map(Bytes::from).map_err(generic)
    }
}

fn in_pieces(file: &File, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let length = NonZeroU64::new(range.end - range.start);
    fadvise(file, range.start, length, Advice::Random)?;
    let mut bytes = vec![0; length.map_or(0, NonZeroU64::get) as usize];
    let mut offset = range.start;
    for piece in bytes.chunks_mut(PIECE_BYTES) {
        file.read_exact_at(piece, offset)?;
        offset += piece.len() as u64;
    }
    fadvise(file, range.start, length, Advice::DontNeed)?;
    Ok(bytes)
}
