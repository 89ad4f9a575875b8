//! Copies of what a request carries, for state that outlives it.
//!
//! A decoded request is slices of its frame. Kept as they are, a member id of forty bytes would
//! hold a frame of megabytes in memory for as long as the member lives.

use bytes::Bytes;
use protocol::StrBytes;

pub(crate) fn owned(text: &StrBytes) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

pub(crate) fn owned_bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
