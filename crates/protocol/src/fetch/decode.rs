//! Reading a FetchResponse that came over the internal hop.
//!
//! Record sets stay slices of the frame. The sender is one of ours, but a count is still checked
//! against what is left before memory is reserved for it.

use bytes::Bytes;

use crate::error::DecodeError;

use super::FetchResponse;

impl FetchResponse {
    /// Reads a whole response; nothing may follow it.
    pub fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let _ = (version, body);
        Err(DecodeError::from_generated("not yet"))
    }
}
