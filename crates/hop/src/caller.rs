//! The caller block of a request frame: the part of [`HopHeader`] that is not in the head.
//!
//! ```text
//! offset size
//!      0    4  deadline, milliseconds left
//!      4    8  trace id
//!     12    8  lane
//!     20    2  length of the principal, then its UTF-8
//!      …    2  length of the client id, then its UTF-8
//!      …    2  length of the client host, then its UTF-8
//! ```

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use protocol::{StrBytes, ids::TenantId};

use crate::request::HopHeader;

/// Texts are cut to this, so that the block's length fits its field. Kafka's own client ids
/// and principals are far shorter; the longest that means anything is a certificate's name.
const TEXT_BYTES_MAX: usize = 4096;

const FIXED_BYTES: usize = 20;

/// The longest block there is.
pub(crate) const BLOCK_BYTES_MAX: usize = FIXED_BYTES + 3 * (2 + TEXT_BYTES_MAX);

const _: () = assert!(BLOCK_BYTES_MAX <= u16::MAX as usize);

/// The bytes are no caller block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("caller block is malformed")]
pub(crate) struct CallerError;

/// How long the block of this header is.
pub(crate) fn encoded_len(header: &HopHeader) -> u16 {
    let texts = texts(header).map(|text| 2 + cut(text).len());
    let length = FIXED_BYTES + texts.iter().sum::<usize>();
    u16::try_from(length).expect("three cut texts fit")
}

/// Writes the block of this header.
pub(crate) fn put(header: &HopHeader, out: &mut BytesMut) {
    out.put_u32(u32::try_from(header.deadline.as_millis()).unwrap_or(u32::MAX));
    out.put_u64(header.trace_id);
    out.put_u64(header.lane);
    for text in texts(header).map(cut) {
        out.put_u16(u16::try_from(text.len()).expect("a cut text fits"));
        out.put_slice(text.as_bytes());
    }
}

/// Reads a block into a header. The texts are copied, together and once: a header may
/// outlive its request by far and must not hold on to the buffer of a whole frame.
pub(crate) fn parse(tenant: TenantId, block: &[u8]) -> Result<HopHeader, CallerError> {
    let mut block = Bytes::copy_from_slice(block);
    let deadline_ms = block.try_get_u32().map_err(|_| CallerError)?;
    let trace_id = block.try_get_u64().map_err(|_| CallerError)?;
    let lane = block.try_get_u64().map_err(|_| CallerError)?;
    let header = HopHeader {
        tenant,
        principal: text(&mut block)?,
        client_id: text(&mut block)?,
        client_host: text(&mut block)?,
        deadline: Duration::from_millis(deadline_ms.into()),
        trace_id,
        lane,
    };
    if block.is_empty() { Ok(header) } else { Err(CallerError) }
}

fn text(block: &mut Bytes) -> Result<StrBytes, CallerError> {
    let length = usize::from(block.try_get_u16().map_err(|_| CallerError)?);
    if block.len() < length {
        return Err(CallerError);
    }
    StrBytes::from_utf8(block.split_to(length)).map_err(|_| CallerError)
}

fn texts(header: &HopHeader) -> [&str; 3] {
    [&header.principal, &header.client_id, &header.client_host]
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> HopHeader {
        HopHeader {
            tenant: TenantId(7),
            principal: StrBytes::from_static_str("User:alice"),
            client_id: StrBytes::from_static_str("größe"),
            client_host: StrBytes::from_static_str("127.0.0.1"),
            deadline: Duration::from_millis(1_500),
            trace_id: u64::MAX,
            lane: 3,
        }
    }

    fn encode(header: &HopHeader) -> Bytes {
        let mut block = BytesMut::new();
        put(header, &mut block);
        assert_eq!(block.len(), usize::from(encoded_len(header)));
        block.freeze()
    }

    #[test]
    fn the_header_comes_back() {
        assert_eq!(parse(TenantId(7), &encode(&header())), Ok(header()));
    }

    #[test]
    fn a_block_cut_or_grown_anywhere_is_refused() {
        let block = encode(&header());
        for length in 0..block.len() {
            assert_eq!(parse(TenantId(7), &block[..length]), Err(CallerError), "{length}");
        }
        let grown = [&block[..], b"x"].concat();
        assert_eq!(parse(TenantId(7), &grown), Err(CallerError));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = HopHeader {
            principal: StrBytes::from_string("ß".repeat(40_000)),
            client_id: StrBytes::from_string("x".to_owned() + &"ß".repeat(40_000)),
            ..header()
        };
        let back = parse(TenantId(7), &encode(&long)).unwrap();
        assert_eq!(back.principal.len(), TEXT_BYTES_MAX);
        assert_eq!(back.client_id.len(), TEXT_BYTES_MAX - 1);
    }

    #[test]
    fn a_patience_of_months_becomes_the_longest_there_is() {
        let patient = HopHeader { deadline: Duration::from_secs(1 << 40), ..header() };
        let back = parse(TenantId(7), &encode(&patient)).unwrap();
        assert_eq!(back.deadline, Duration::from_millis(u32::MAX.into()));
    }
}
