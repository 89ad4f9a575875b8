//! The two messages of a client, taken apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ScramError;
use crate::limits::{SCRAM_MESSAGE_BYTES_MAX, SCRAM_NONCE_BYTES_MAX};

/// `n,[a=authzid],n=user,r=nonce[,extensions]`.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sasl) struct ClientFirst {
    /// The part before the message proper; it comes again in the final message.
    pub(super) gs2_header: String,
    /// The message proper.
    pub(super) bare: String,
    /// Who it says it is.
    pub(in crate::sasl) user: String,
    pub(super) nonce: String,
}

/// `c=channel,r=nonce[,extensions],p=proof`.
#[derive(Debug)]
pub(super) struct ClientFinal<'a> {
    pub(super) channel: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: Vec<u8>,
    pub(super) without_proof: &'a str,
}

// === impl ClientFirst ===

impl ClientFirst {
    pub(in crate::sasl) fn parse(message: &[u8]) -> Result<Self, ScramError> {
        let message = text(message)?;
        let (binding, rest) = message.split_once(',').ok_or(ScramError::Malformed)?;
        match binding {
            // "y": the client could bind channels and thinks that we cannot, which is true.
            "n" | "y" => {}
            _ if binding.starts_with("p=") => return Err(ScramError::ChannelBinding),
            _ => return Err(ScramError::Malformed),
        }
        let (authorization_id, bare) = rest.split_once(',').ok_or(ScramError::Malformed)?;
        let gs2_header = format!("{binding},{authorization_id},");
        let mut attributes = bare.split(',');
        let user = match attributes.next() {
            Some(first) if first.starts_with("m=") => return Err(ScramError::Extension),
            first => name(value(first, "n=")?)?,
        };
        let nonce = value(attributes.next(), "r=")?;
        let is_legal = |byte: u8| byte.is_ascii_graphic();
        if nonce.is_empty() || nonce.len() > SCRAM_NONCE_BYTES_MAX || !nonce.bytes().all(is_legal) {
            return Err(ScramError::Malformed);
        }
        check_extensions(attributes)?;
        if !authorization_id.is_empty() && name(value(Some(authorization_id), "a=")?)? != user {
            return Err(ScramError::AuthorizationId);
        }
        Ok(Self { gs2_header, bare: bare.to_owned(), user, nonce: nonce.to_owned() })
    }
}

// === impl ClientFinal ===

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, ScramError> {
        let message = text(message)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut attributes = without_proof.split(',');
        let channel = decode(value(attributes.next(), "c=")?)?;
        let nonce = value(attributes.next(), "r=")?;
        check_extensions(attributes)?;
        Ok(Self { channel, nonce, proof: decode(proof)?, without_proof })
    }
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > SCRAM_MESSAGE_BYTES_MAX {
        return Err(ScramError::Malformed);
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed)
}

/// The value of an attribute that must be there, in its place.
fn value<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, ScramError> {
    attribute.and_then(|text| text.strip_prefix(name)).ok_or(ScramError::Malformed)
}

/// Extensions that are not known may be ignored, but for those that say they may not.
fn check_extensions<'a>(attributes: impl Iterator<Item = &'a str>) -> Result<(), ScramError> {
    for attribute in attributes {
        let (name, value) = attribute.split_once('=').ok_or(ScramError::Malformed)?;
        match name {
            "m" => return Err(ScramError::Extension),
            "tokenauth" if value.eq_ignore_ascii_case("true") => return Err(ScramError::Token),
            _ if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                return Err(ScramError::Malformed);
            }
            _ => {}
        }
    }
    Ok(())
}

/// A name as it was before its commas and equals signs were written `=2C` and `=3D`.
fn name(encoded: &str) -> Result<String, ScramError> {
    let mut parts = encoded.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(ScramError::Malformed),
        };
        name.push(sign);
        name.push_str(rest);
    }
    if name.is_empty() { Err(ScramError::Malformed) } else { Ok(name) }
}

fn decode(text: &str) -> Result<Vec<u8>, ScramError> {
    STANDARD.decode(text).map_err(|_| ScramError::Malformed)
}
