//! SASL on a listener that asks for none, which says so.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};

use super::world::{World, is, text};

pub(super) fn handshake(world: &mut World, version: i16) {
    let request = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
    is(ErrorCode::IllegalSaslState, world.wire.ask(version, &request).error_code);
}

pub(super) fn authenticate(world: &mut World, version: i16) {
    let proof = Bytes::from_static(b"\0alice\0secret");
    let request = SaslAuthenticateRequest::default().with_auth_bytes(proof);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::IllegalSaslState, answer.error_code);
    assert!(answer.error_message.is_some());
}
