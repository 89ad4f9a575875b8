//! Decompression behind a cap: a few hundred bytes may claim gigabytes.

use std::borrow::Cow;
use std::io::{self, Read};

use super::RecordsError;
use crate::batch::Compression;

/// What Java's snappy stream puts in front: magic, then its version and the lowest compatible one.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

/// Largest zstd window: 128 MiB, what zstd's highest level uses and its decoders accept by default.
/// Pages of it are touched only as far as records fill it.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The records in the clear, at most `max` bytes.
pub(super) fn inflate(
    compression: Compression,
    payload: &[u8],
    max: usize,
) -> Result<Cow<'_, [u8]>, RecordsError> {
    let inflated = match compression {
        Compression::None => return borrow(payload, max),
        // Java's reader takes several gzip members in a row, so does this one.
        Compression::Gzip => read(flate2::read::MultiGzDecoder::new(payload), max),
        Compression::Snappy => snappy(payload, max),
        Compression::Lz4 => read(lz4_flex::frame::FrameDecoder::new(payload), max),
        Compression::Zstd => zstd_reader(payload).map_err(failed).and_then(|zstd| read(zstd, max)),
    };
    inflated.map(Cow::Owned)
}

fn borrow(payload: &[u8], max: usize) -> Result<Cow<'_, [u8]>, RecordsError> {
    if payload.len() > max {
        return Err(RecordsError::TooLarge { max });
    }
    Ok(Cow::Borrowed(payload))
}

fn zstd_reader(payload: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(payload)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Reads everything; one byte above the cap tells that there is more.
fn read(reader: impl Read, max: usize) -> Result<Vec<u8>, RecordsError> {
    let mut out = Vec::new();
    reader.take(max as u64 + 1).read_to_end(&mut out).map_err(failed)?;
    if out.len() > max {
        return Err(RecordsError::TooLarge { max });
    }
    Ok(out)
}

/// Java frames its snappy blocks, other clients send one bare block.
fn snappy(payload: &[u8], max: usize) -> Result<Vec<u8>, RecordsError> {
    let mut out = Vec::new();
    if !payload.starts_with(XERIAL_MAGIC) {
        snappy_block(payload, max, &mut out)?;
        return Ok(out);
    }
    let truncated = || failed("snappy block is cut short");
    let mut rest = payload.get(XERIAL_HEADER_BYTES..).ok_or_else(truncated)?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        snappy_block(block, max, &mut out)?;
        rest = after;
    }
    Ok(out)
}

/// Appends one block. It says its inflated size, which is checked before memory is reserved.
fn snappy_block(block: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), RecordsError> {
    let size = snap::raw::decompress_len(block).map_err(failed)?;
    let start = out.len();
    if size > max - start {
        return Err(RecordsError::TooLarge { max });
    }
    // Three bytes of snappy make at most 64; a claim beyond that is a lie.
    if size / 64 > block.len() {
        return Err(failed("snappy block claims more than it can hold"));
    }
    out.resize(start + size, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(failed)?;
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> RecordsError {
    RecordsError::Decompress { reason: error.to_string() }
}
