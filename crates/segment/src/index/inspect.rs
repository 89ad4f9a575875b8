//! Reading the very snapshot that END names, without the footers to fall back
//! on: whether it can be used is what the reader wants to know (see [`crate::scrub`]).

use super::{IndexSnapshot, wire};
use crate::log_id::LogId;
use crate::seqlog::IndexReference;

/// The snapshot of `log` in `object`, or why it is not the one that END names.
pub(crate) fn decode_referenced(
    object: &[u8],
    log: LogId,
    reference: &IndexReference,
) -> Result<IndexSnapshot, String> {
    if crc32c::crc32c(object) != reference.crc {
        return Err("is not the snapshot that END names".to_owned());
    }
    let index = wire::decode(object)?;
    if index.log != log {
        return Err(format!("belongs to log {}", index.log));
    }
    Ok(index)
}
