//! The store: one conformance suite for every implementation, and the answers
//! that must not be believed.

mod ambiguity;
mod conformance;
mod local;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::token::WriterToken;

/// A payload in two chunks that carries a fresh token and `text`.
pub(crate) fn payload(text: &str) -> (WriterToken, Vec<Bytes>) {
    let token = WriterToken::random();
    let mut preamble = BytesMut::new();
    preamble.put_slice(b"TEST\x01\0\0\0");
    preamble.put_slice(&token.0);
    (token, vec![preamble.freeze(), Bytes::copy_from_slice(text.as_bytes())])
}

/// The text in an object made by [`payload`].
pub(crate) fn text_of(object: &[u8]) -> String {
    String::from_utf8(object[crate::token::PREAMBLE_LEN..].to_vec()).unwrap()
}
