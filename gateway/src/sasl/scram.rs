//! SCRAM's server (RFC 5802, RFC 7677), without I/O.
//!
//! ```text
//! client-first: n,,n=user,r=nonce ─► Challenge ─► server-first: r=nonce+ours,s=salt,i=count
//! client-final: c=…,r=…,p=proof   ─► verify    ─► server-final: v=signature
//! ```
//!
//! An unknown user gets a challenge as everybody else does (R60), and the proof fails. Channel
//! binding is not offered, so a client that insists on it is refused and one that merely could do it
//! is not (section 6). A delegation token (`tokenauth`, KIP-48) is none of our credentials.

mod message;
#[cfg(test)]
mod tests;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metadata::settings::credential::{ScramCredential, ScramMechanism};

use self::message::ClientFinal;
pub(super) use self::message::ClientFirst;

/// Why an exchange failed. Never told to the client: whatever it was, it is refused alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScramError {
    #[error("not a SCRAM message")]
    Malformed,
    #[error("channel binding is not offered")]
    ChannelBinding,
    #[error("an extension that must be understood and is not")]
    Extension,
    #[error("delegation tokens are not offered")]
    Token,
    #[error("asks to be somebody else")]
    AuthorizationId,
    #[error("the nonce is not the one that was agreed on")]
    Nonce,
    #[error("the proof is wrong")]
    Proof,
}

/// What was asked of a client, and what its answer must fit to.
pub(super) struct Challenge {
    mechanism: ScramMechanism,
    credential: ScramCredential,
    gs2_header: String,
    nonce: String,
    /// Both messages so far, each with a comma.
    messages: String,
}

impl Challenge {
    /// The challenge for a client's first message, and the server's first message. `own_nonce` is
    /// fresh and random.
    pub(super) fn new(
        mechanism: ScramMechanism,
        credential: ScramCredential,
        first: ClientFirst,
        own_nonce: &str,
    ) -> (Self, Vec<u8>) {
        let nonce = format!("{}{own_nonce}", first.nonce);
        let salt = STANDARD.encode(&credential.salt);
        let server_first = format!("r={nonce},s={salt},i={}", credential.iterations);
        let messages = format!("{},{server_first},", first.bare);
        let challenge =
            Self { mechanism, credential, gs2_header: first.gs2_header, nonce, messages };
        (challenge, server_first.into_bytes())
    }

    /// Checks the client's final message; the server's final message.
    pub(super) fn verify(self, client_final: &[u8]) -> Result<Vec<u8>, ScramError> {
        let Self { mechanism, credential, gs2_header, nonce, messages } = self;
        let client_final = ClientFinal::parse(client_final)?;
        // The header comes again so that nobody in between has changed it.
        if client_final.channel != gs2_header.as_bytes() {
            return Err(ScramError::ChannelBinding);
        }
        if client_final.nonce != nonce {
            return Err(ScramError::Nonce);
        }
        let messages = messages + client_final.without_proof;
        let client_signature = mechanism.hmac(&credential.stored_key, messages.as_bytes());
        let proof = client_final.proof;
        if proof.len() != mechanism.key_bytes() {
            return Err(ScramError::Malformed);
        }
        let pairs = proof.iter().zip(client_signature.as_ref());
        let client_key: Vec<u8> = pairs.map(|(proof, signed)| proof ^ signed).collect();
        let stored_key = mechanism.digest(&client_key);
        verify_slices_are_equal(stored_key.as_ref(), &credential.stored_key)
            .map_err(|_| ScramError::Proof)?;
        let signature = mechanism.hmac(&credential.server_key, messages.as_bytes());
        Ok(format!("v={}", STANDARD.encode(signature)).into_bytes())
    }
}
