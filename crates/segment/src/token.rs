//! The preamble of every conditionally written object: who wrote these bytes.
//!
//! A conditional write may be answered with an error although it was applied,
//! and with "exists" although it was our own earlier attempt. The only proof is
//! to read the object back (R13), and a random token in its first bytes makes
//! that read short: equal tokens mean equal bytes, because the bytes of an
//! attempt are frozen together with its token (R14).
//!
//! ```text
//! offset size field
//!      0    4 magic of the format that follows
//!      4    1 version of that format
//!      5    3 free for that format
//!      8   16 writer token
//! ```

use std::fmt;

use bytes::Bytes;

/// Bytes that every conditionally written object starts with.
pub const PREAMBLE_LEN: usize = 24;

const TOKEN: std::ops::Range<usize> = 8..PREAMBLE_LEN;

/// Random name of one frozen write attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriterToken(pub [u8; 16]);

impl WriterToken {
    /// A token nobody else has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().into_bytes())
    }

    /// The token in an object's first bytes; `None` when there are too few.
    pub fn of(object: &[u8]) -> Option<Self> {
        Some(Self(object.get(TOKEN)?.try_into().ok()?))
    }

    /// True when the payload's preamble carries this token.
    pub fn is_in(self, payload: &[Bytes]) -> bool {
        payload.first().and_then(|first| Self::of(first)) == Some(self)
    }
}

impl fmt::Debug for WriterToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", uuid::Uuid::from_bytes(self.0).simple())
    }
}
