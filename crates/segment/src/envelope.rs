//! Envelope of manifests and index snapshots: a protobuf message that can be
//! checked before it is believed, and written conditionally.
//!
//! ```text
//! offset size field
//!      0   24 preamble: magic, version, zeros, writer token (see `token`)
//!     24    4 length of the message
//!     28    4 CRC32C of bytes 0..28 and the message
//!     32      the message
//! ```

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;

use crate::token::{PREAMBLE_LEN, WriterToken};

const HEADER_LEN: usize = PREAMBLE_LEN + 8;
const CRC_AT: usize = HEADER_LEN - 4;

/// A kind of enveloped object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u8,
}

/// Bytes that are not the enveloped message expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Another format or a newer version.
    #[error("another format or a newer version")]
    Magic,
    /// Not as long as it says.
    #[error("wrong length")]
    Length,
    /// Damaged.
    #[error("fails its CRC")]
    Crc,
    /// The message does not decode.
    #[error("message does not decode: {0}")]
    Message(String),
}

pub(crate) fn seal(format: Format, token: WriterToken, message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut out = BytesMut::with_capacity(HEADER_LEN + length);
    out.put_slice(&format.magic);
    out.put_u8(format.version);
    out.put_slice(&[0; 3]);
    out.put_slice(&token.0);
    out.put_u32(u32::try_from(length).expect("a message is smaller than 4 GiB"));
    out.put_u32(0);
    message.encode(&mut out).expect("a BytesMut grows");
    let crc = checksum(&out);
    out[CRC_AT..HEADER_LEN].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

pub(crate) fn open<M: Message + Default>(
    format: Format,
    object: &[u8],
) -> Result<M, EnvelopeError> {
    let header = object.get(..HEADER_LEN).ok_or(EnvelopeError::Length)?;
    if header[..4] != format.magic || header[4] != format.version {
        return Err(EnvelopeError::Magic);
    }
    let mut fields = &header[PREAMBLE_LEN..];
    if object.len() - HEADER_LEN != fields.get_u32() as usize {
        return Err(EnvelopeError::Length);
    }
    if fields.get_u32() != checksum(object) {
        return Err(EnvelopeError::Crc);
    }
    M::decode(&object[HEADER_LEN..]).map_err(|error| EnvelopeError::Message(error.to_string()))
}

fn checksum(object: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&object[..CRC_AT]), &object[HEADER_LEN..])
}

#[cfg(test)]
mod tests {
    use super::{EnvelopeError, Format, HEADER_LEN, open, seal};
    use crate::token::WriterToken;

    const FORMAT: Format = Format { magic: *b"TEST", version: 1 };

    #[test]
    fn any_changed_byte_is_refused() {
        let sealed = seal(FORMAT, WriterToken::random(), &"text".to_owned());
        assert_eq!(open(FORMAT, &sealed), Ok("text".to_owned()));
        for position in 0..sealed.len() {
            let mut bytes = sealed.to_vec();
            bytes[position] ^= 1;
            assert!(open::<String>(FORMAT, &bytes).is_err(), "byte {position}");
        }
        for length in 0..sealed.len() {
            assert!(open::<String>(FORMAT, &sealed[..length]).is_err(), "length {length}");
        }
        assert_eq!(
            open::<String>(Format { version: 2, ..FORMAT }, &sealed),
            Err(EnvelopeError::Magic)
        );
        assert_eq!(open::<String>(FORMAT, &sealed[..HEADER_LEN]), Err(EnvelopeError::Length));
    }
}
