//! Everything that reads a client's bytes: frame, header, preflight and decode, batch and records.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::batch::{self, BatchView, records::RecordSet};
use protocol::{frame, header, limits, request};

fuzz_target!(|bytes: &[u8]| {
    as_frame(bytes);
    as_batch(bytes);
});

fn as_frame(bytes: &[u8]) {
    let Ok(Some(end)) = frame::check(bytes, limits::FRAME_BYTES_MAX) else { return };
    let mut rest = Bytes::copy_from_slice(&bytes[frame::PREFIX_BYTES..end]);
    let Ok(header) = header::parse(&mut rest) else { return };
    let _ = request::decode(&header, rest);
}

fn as_batch(bytes: &[u8]) {
    let _ = batch::validate_produced(bytes, false);
    let Ok((view, _)) = BatchView::split(bytes) else { return };
    let Ok(records) = RecordSet::open(&view, 1 << 20) else { return };
    for record in records.iter().flatten() {
        let _ = record.headers().count();
    }
}
