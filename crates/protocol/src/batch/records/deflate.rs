//! Compression, for batches that are written anew.
//!
//! Compaction writes with the codec that a batch came with, and at the codec's own default level: what
//! the producer chose is not in the batch. A topic with a `compression.type` names both.

use std::borrow::Cow;
use std::io::Write;

use crate::batch::{Codec, Compression};
use crate::limits::{ZSTD_LEVEL_DEFAULT, ZSTD_LEVEL_MAX};

/// The records as a batch carries them. Copies nothing if they are not to be compressed.
pub(in crate::batch) fn deflate(codec: Codec, records: &[u8]) -> Cow<'_, [u8]> {
    Cow::Owned(match codec.compression {
        Compression::None => return Cow::Borrowed(records),
        Compression::Gzip => gzip(codec.level, records),
        // One bare block, as librdkafka writes it: all readers take both forms.
        Compression::Snappy => snap::raw::Encoder::new()
            .compress_vec(records)
            .expect("records are far below the 4 GiB of a block"),
        Compression::Lz4 => lz4(records),
        Compression::Zstd => zstd(codec.level, records),
    })
}

fn gzip(level: Option<i32>, records: &[u8]) -> Vec<u8> {
    // -1 is zlib's own default, as in Kafka.
    let level = level.and_then(|level| u32::try_from(level).ok());
    let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
    let mut out = flate2::write::GzEncoder::new(Vec::new(), level);
    out.write_all(records).expect("memory takes what is written");
    out.finish().expect("memory takes what is written")
}

/// Independent blocks, the frame's default and the only kind that Kafka's Java reader takes. Our
/// encoder has one level.
fn lz4(records: &[u8]) -> Vec<u8> {
    let mut out = lz4_flex::frame::FrameEncoder::new(Vec::new());
    out.write_all(records).expect("memory takes what is written");
    out.finish().expect("memory takes what is written")
}

/// In one call, so that the codec knows the size and takes no more memory than that needs.
fn zstd(level: Option<i32>, records: &[u8]) -> Vec<u8> {
    let level = level.unwrap_or(ZSTD_LEVEL_DEFAULT).min(ZSTD_LEVEL_MAX);
    zstd::bulk::compress(records, level).expect("the bound that it asks for is enough")
}
