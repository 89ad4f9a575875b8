//! Errors: the codes that travel in answers, and the failures of reading and writing messages.

use thiserror::Error;

mod code;

pub use code::{ErrorCode, definite};

/// Why a request frame could not be turned into a request. Each ends the connection, as in Kafka,
/// with one exception: an ApiVersions request of a version we do not know is answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The frame ends inside the request header.
    #[error("request header is truncated")]
    TruncatedHeader,
    /// The request header is not one.
    #[error("request header is malformed: {0}")]
    MalformedHeader(&'static str),
    /// We do not serve this API.
    #[error("api key {api_key} is not served")]
    UnsupportedApi {
        /// The key as sent.
        api_key: i16,
    },
    /// We serve this API, but not in this version.
    #[error("version {api_version} of api key {api_key} is not served")]
    UnsupportedVersion {
        /// The key as sent.
        api_key: i16,
        /// The version as sent.
        api_version: i16,
    },
    /// The body was refused before decoding.
    #[error(transparent)]
    Preflight(#[from] crate::preflight::PreflightError),
    /// The body could not be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// The bytes are not the message they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("message is malformed: {reason}")]
pub struct DecodeError {
    /// What the decoder said.
    pub reason: String,
}

impl DecodeError {
    /// With a reason, most often the error of a generated decoder.
    pub fn from_generated(error: impl std::fmt::Display) -> Self {
        Self { reason: error.to_string() }
    }
}

impl From<crate::preflight::PreflightError> for DecodeError {
    fn from(error: crate::preflight::PreflightError) -> Self {
        Self::from_generated(error)
    }
}

/// A message could not be written: always our own bug, e.g. a field set that this version lacks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A message's generated encoder refused the value.
    #[error("message cannot be encoded: {reason}")]
    Message {
        /// What the encoder said.
        reason: String,
    },
    /// The message has no such version.
    #[error("{message} has no version {version}")]
    Version {
        /// The message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The frame's length does not fit its prefix.
    #[error("frame of {length} bytes is too long")]
    FrameTooLong {
        /// The length.
        length: usize,
    },
}

impl EncodeError {
    /// Wraps the error of a generated encoder.
    pub fn from_generated(error: impl std::fmt::Display) -> Self {
        Self::Message { reason: error.to_string() }
    }
}
