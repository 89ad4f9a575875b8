//! Kafka's primitive types, written: what the hand-written encoders share.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::EncodeError;

pub(crate) fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// The count of an array or the length of bytes; `None` is null.
pub(crate) fn put_count(out: &mut BytesMut, count: Option<usize>, flexible: bool) {
    // Frames are far below 2 GiB, so is everything in them.
    let count = count.map(|count| i32::try_from(count).expect("fits a frame"));
    if flexible {
        put_varint(out, count.map_or(0, |count| count as u32 + 1));
    } else {
        out.put_i32(count.unwrap_or(-1));
    }
}

pub(crate) fn put_string(
    out: &mut BytesMut,
    text: Option<&str>,
    flexible: bool,
) -> Result<(), EncodeError> {
    let length = text.map(|text| i16::try_from(text.len())).transpose().map_err(|_| {
        EncodeError::Message { reason: "string is longer than 32767 bytes".to_owned() }
    })?;
    if flexible {
        put_varint(out, length.map_or(0, |length| length as u32 + 1));
    } else {
        out.put_i16(length.unwrap_or(-1));
    }
    out.put_slice(text.unwrap_or_default().as_bytes());
    Ok(())
}

/// The tagged fields of a structure of which none is ours.
pub(crate) fn put_unknown_tags(out: &mut BytesMut, tags: &BTreeMap<i32, Bytes>, flexible: bool) {
    if !flexible {
        return;
    }
    put_varint(out, tags.len() as u32);
    for (tag, value) in tags {
        put_varint(out, *tag as u32);
        put_varint(out, value.len() as u32);
        out.put_slice(value);
    }
}
