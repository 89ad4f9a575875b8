//! SASL where there is nothing to authenticate: on a listener without it, or when the client is known
//! and needs not prove itself again. What does authenticate is in [`crate::layers::authentication`].

use protocol::messages::{SaslAuthenticateResponse, SaslHandshakeResponse};
use protocol::{ErrorCode, StrBytes};

const ILLEGAL: i16 = ErrorCode::IllegalSaslState as i16;

pub(super) fn handshake() -> SaslHandshakeResponse {
    SaslHandshakeResponse::default().with_error_code(ILLEGAL)
}

pub(super) fn authenticate() -> SaslAuthenticateResponse {
    let text = "SaslAuthenticate is not expected here.";
    SaslAuthenticateResponse::default()
        .with_error_code(ILLEGAL)
        .with_error_message(Some(StrBytes::from_static_str(text)))
}
