//! Compression, for batches that are written anew: with the codec that they came with.
//!
//! Levels are the codecs' own defaults: what the producer chose is not in the batch.

use std::borrow::Cow;
use std::io::Write;

use crate::batch::Compression;

/// zstd's own default.
const ZSTD_LEVEL: i32 = 0;

/// The records as a batch carries them. Copies nothing if they are not to be compressed.
pub(in crate::batch) fn deflate(compression: Compression, records: &[u8]) -> Cow<'_, [u8]> {
    Cow::Owned(match compression {
        Compression::None => return Cow::Borrowed(records),
        Compression::Gzip => gzip(records),
        // One bare block, as librdkafka writes it: all readers take both forms.
        Compression::Snappy => snap::raw::Encoder::new()
            .compress_vec(records)
            .expect("records are far below the 4 GiB of a block"),
        Compression::Lz4 => lz4(records),
        Compression::Zstd => {
            zstd::stream::encode_all(records, ZSTD_LEVEL).expect("memory takes what is written")
        }
    })
}

fn gzip(records: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(records).expect("memory takes what is written");
    out.finish().expect("memory takes what is written")
}

/// Independent blocks, the frame's default and the only kind that Kafka's Java reader takes.
fn lz4(records: &[u8]) -> Vec<u8> {
    let mut out = lz4_flex::frame::FrameEncoder::new(Vec::new());
    out.write_all(records).expect("memory takes what is written");
    out.finish().expect("memory takes what is written")
}
