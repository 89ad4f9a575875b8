//! Reading a manifest that nobody vouches for: whose it is and what is wrong
//! with it is what the reader wants to know (see [`crate::scrub`]).

use super::{Manifest, wire};

/// The manifest in `object`, intact (R23) but not checked for its invariants.
pub(crate) fn decode_unchecked(object: &[u8]) -> Result<Manifest, String> {
    wire::decode(object)
}

/// An object that [`super::ManifestStore::commit`] would refuse to make.
#[cfg(test)]
pub(crate) fn encode_unchecked(manifest: &Manifest) -> bytes::Bytes {
    wire::encode(manifest, crate::token::WriterToken::random())
}
