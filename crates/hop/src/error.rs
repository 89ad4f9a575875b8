//! Why a call has no answer, in terms of what the caller may conclude (R44).

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HopError {
    /// The peer surely did not see the request: it may be sent again, elsewhere.
    #[error("peer is unreachable")]
    Unreachable,
    /// The request was refused on this side because too much is under way to this peer
    /// already. The peer did not see it.
    #[error("too much is under way to this peer")]
    Overloaded,
    /// The connection ended after the request may have been delivered: the outcome is unknown.
    #[error("connection lost before the answer")]
    Lost,
    /// The caller's deadline passed first: the outcome is unknown.
    #[error("no answer before the deadline")]
    TimedOut,
    /// One side does not speak as the other expects. Retrying does not help.
    #[error("{0}")]
    Protocol(String),
}

impl HopError {
    /// Whether the peer surely did nothing. Only then may a request be sent again that is
    /// not idempotent.
    pub fn is_definite(&self) -> bool {
        match self {
            Self::Unreachable | Self::Overloaded => true,
            Self::Lost | Self::TimedOut | Self::Protocol(_) => false,
        }
    }

    /// The error as a metric's label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Overloaded => "overloaded",
            Self::Lost => "lost",
            Self::TimedOut => "timed_out",
            Self::Protocol(_) => "protocol",
        }
    }
}
