//! What an etcd error means for the caller.

use etcd_client::Error;

use crate::store::MetadataError;

/// gRPC status codes, as numbers: tonic itself is not our dependency.
mod code {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const FAILED_PRECONDITION: i32 = 9;
    pub(super) const OUT_OF_RANGE: i32 = 11;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// Why an etcd call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer, or an answer of a server in trouble: another endpoint may do better. A write
    /// may have been applied.
    NoAnswer(String),
    /// No endpoint could be reached before anything was sent.
    NotSent(String),
    /// The lease does not exist.
    NotFound(String),
    /// The revision asked for is gone, or too much history was asked for at once.
    Compacted,
    /// A considered no. Nothing was applied.
    Refused(String),
}

impl Failure {
    pub(super) fn of_read(self) -> MetadataError {
        match self {
            Self::NoAnswer(text) | Self::NotSent(text) => MetadataError::Unavailable(text),
            Self::NotFound(text) | Self::Refused(text) => MetadataError::Refused(text),
            Self::Compacted => MetadataError::Unavailable("revision compacted".to_owned()),
        }
    }

    pub(super) fn of_write(self) -> MetadataError {
        match self {
            Self::NoAnswer(text) => MetadataError::Unknown(text),
            other => other.of_read(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::GRpcStatus(status) => {
                let text = status.message().to_owned();
                match i32::from(status.code()) {
                    code::NOT_FOUND => Self::NotFound(text),
                    code::OUT_OF_RANGE => Self::Compacted,
                    code::INVALID_ARGUMENT
                    | code::PERMISSION_DENIED
                    | code::RESOURCE_EXHAUSTED
                    | code::FAILED_PRECONDITION
                    | code::UNAUTHENTICATED => Self::Refused(text),
                    _ => Self::NoAnswer(text),
                }
            }
            // The library's word for an answer with no time left.
            Error::LeaseKeepAliveError(text) if text == "lease not found" => Self::NotFound(text),
            Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::InvalidMetadataValue(_) => {
                Self::Refused(error.to_string())
            }
            other => Self::NoAnswer(other.to_string()),
        }
    }
}
