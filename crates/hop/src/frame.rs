//! The hop's frames. Sans-IO.
//!
//! ```text
//! offset size
//!      0    4  length of what follows
//!      4    1  magic, 0x54
//!      5    1  kind
//!      6    2  api key          echoed by the answer (R46)
//!      8    2  api version      echoed by the answer
//!     10    4  tenant           echoed by the answer
//!     14    8  correlation      echoed by the answer
//!     22    2  length of the caller block; 0 unless the kind is Request
//!     24    …  caller block: see `caller`
//!      …    …  body, to the end
//! ```
//!
//! All integers are big-endian. Correlations count the requests of one connection from 1,
//! so they are never reused and a server can say up to which request it read.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use protocol::ids::TenantId;

use crate::{api::Api, limits::FRAME_BYTES_MAX};

/// Bytes of the length prefix.
pub(crate) const PREFIX_BYTES: usize = 4;

/// Bytes of prefix and fixed head.
pub(crate) const HEAD_BYTES: usize = 24;

const MAGIC: u8 = 0x54;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Client to server: a request.
    Request = 1,
    /// Server to client: the answer to a request.
    Response = 2,
    /// Server to client: the request was taken, but has no answer; its outcome is unknown.
    Failed = 3,
    /// Server to client: the request was not taken, for it is of an API not served here.
    Refused = 4,
    /// Client to server: are you there?
    Ping = 5,
    /// Server to client: yes.
    Pong = 6,
    /// Server to client: requests after this correlation were not and will not be taken.
    GoAway = 7,
}

/// The fixed head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) api_key: i16,
    pub(crate) api_version: i16,
    pub(crate) tenant: TenantId,
    pub(crate) correlation: u64,
}

/// A whole frame. Its parts are slices of the buffer it was read into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) head: Head,
    pub(crate) caller: Bytes,
    pub(crate) body: Bytes,
}

/// Bytes that are no frame. After them the connection has no frame borders to go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("frame of {length} bytes is shorter than its head or longer than allowed")]
    Length { length: usize },
    #[error("frame begins with {magic:#04x}")]
    Magic { magic: u8 },
    #[error("frame is of unknown kind {kind}")]
    Kind { kind: u8 },
    #[error("caller block of {length} bytes does not fit its frame")]
    CallerLength { length: usize },
}

// === impl Head ===

impl Head {
    /// The head of a request at this version.
    pub(crate) fn request_at(
        (api, version): (Api, i16),
        tenant: TenantId,
        correlation: u64,
    ) -> Self {
        Self { kind: Kind::Request, api_key: api.key(), api_version: version, tenant, correlation }
    }

    /// The same at the version of this release.
    #[cfg(test)]
    pub(crate) fn request(api: Api, tenant: TenantId, correlation: u64) -> Self {
        Self::request_at((api, api.version()), tenant, correlation)
    }

    /// A frame that belongs to no request.
    pub(crate) fn bare(kind: Kind, correlation: u64) -> Self {
        Self { kind, api_key: 0, api_version: 0, tenant: TenantId::SYSTEM, correlation }
    }

    /// The head of the answer to this request: everything but the kind is echoed.
    pub(crate) fn answered(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Whether this is an answer to `request`.
    pub(crate) fn echoes(&self, request: &Head) -> bool {
        *self == request.answered(self.kind)
    }

    /// Writes prefix and head for a frame whose caller block and body have these lengths.
    pub(crate) fn put(&self, caller_bytes: u16, body_bytes: usize, out: &mut BytesMut) {
        let length = HEAD_BYTES - PREFIX_BYTES + usize::from(caller_bytes) + body_bytes;
        out.put_u32(u32::try_from(length).expect("frames are bounded far below 4 GiB"));
        out.put_u8(MAGIC);
        out.put_u8(self.kind as u8);
        out.put_i16(self.api_key);
        out.put_i16(self.api_version);
        out.put_u32(self.tenant.0);
        out.put_u64(self.correlation);
        out.put_u16(caller_bytes);
    }
}

// === impl Kind ===

impl TryFrom<u8> for Kind {
    type Error = FrameError;

    fn try_from(kind: u8) -> Result<Self, FrameError> {
        Ok(match kind {
            1 => Self::Request,
            2 => Self::Response,
            3 => Self::Failed,
            4 => Self::Refused,
            5 => Self::Ping,
            6 => Self::Pong,
            7 => Self::GoAway,
            kind => return Err(FrameError::Kind { kind }),
        })
    }
}

/// How long the frame at the start of `buffer` is, prefix included; `None` until the prefix
/// is there. Length and magic are judged before anything is allocated for the frame.
pub(crate) fn expected(buffer: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    if let Some(&magic) = buffer.get(PREFIX_BYTES)
        && magic != MAGIC
    {
        return Err(FrameError::Magic { magic });
    }
    let length = u32::from_be_bytes(*prefix) as usize;
    let total = length.saturating_add(PREFIX_BYTES);
    if (HEAD_BYTES..=FRAME_BYTES_MAX).contains(&total) {
        Ok(Some(total))
    } else {
        Err(FrameError::Length { length })
    }
}

/// Takes the frame at the start of `buffer`; `None` until it is whole.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    match expected(buffer)? {
        Some(total) if buffer.len() >= total => parse(buffer.split_to(total).freeze()).map(Some),
        _ => Ok(None),
    }
}

fn parse(mut frame: Bytes) -> Result<Frame, FrameError> {
    frame.advance(PREFIX_BYTES + 1);
    let head = Head {
        kind: Kind::try_from(frame.get_u8())?,
        api_key: frame.get_i16(),
        api_version: frame.get_i16(),
        tenant: TenantId(frame.get_u32()),
        correlation: frame.get_u64(),
    };
    let length = usize::from(frame.get_u16());
    if frame.len() < length {
        return Err(FrameError::CallerLength { length });
    }
    let caller = frame.split_to(length);
    Ok(Frame { head, caller, body: frame })
}

#[cfg(test)]
mod tests;
