//! The life of a front: open, then sealed or poisoned, and never back.

use std::sync::Arc;

use tokio::sync::watch;

use super::{FrontError, FrontState, Lsn};

/// Like [`FrontState`], with the stage between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Life {
    Open,
    Sealing,
    Sealed,
    Poisoned(Arc<str>),
}

impl Life {
    /// Whether appends are taken.
    pub(super) fn check_open(&self) -> Result<(), FrontError> {
        match self {
            Self::Open => Ok(()),
            Self::Sealing | Self::Sealed => Err(FrontError::Sealed),
            Self::Poisoned(reason) => Err(FrontError::Poisoned(Arc::clone(reason))),
        }
    }

    /// Refuses appends from now on.
    pub(super) fn begin_seal(&mut self) {
        if *self == Self::Open {
            *self = Self::Sealing;
        }
    }

    /// The end is durable.
    pub(super) fn sealed(&mut self) {
        if *self == Self::Sealing {
            *self = Self::Sealed;
        }
    }

    /// Ends the log with an error. False when it had ended before.
    pub(super) fn poison(&mut self, reason: &Arc<str>) -> bool {
        let alive = matches!(self, Self::Open | Self::Sealing);
        if alive {
            *self = Self::Poisoned(Arc::clone(reason));
        }
        alive
    }

    /// True after an error.
    pub(super) fn is_poisoned(&self) -> bool {
        matches!(self, Self::Poisoned(_))
    }

    /// The state that others see, of a log that ends at `end`.
    pub(super) fn state(&self, end: Lsn) -> FrontState {
        match self {
            Self::Open | Self::Sealing => FrontState::Open,
            Self::Sealed => FrontState::Sealed(end),
            Self::Poisoned(reason) => FrontState::Poisoned(Arc::clone(reason)),
        }
    }
}

/// Waits until a front that began to seal has ended; says where.
pub(super) async fn ended(mut state: watch::Receiver<FrontState>) -> Result<Lsn, FrontError> {
    let ended = state.wait_for(|state| *state != FrontState::Open).await;
    match &*ended.expect("the front holds the sender") {
        FrontState::Sealed(end) => Ok(*end),
        FrontState::Poisoned(reason) => Err(FrontError::Poisoned(Arc::clone(reason))),
        FrontState::Open => unreachable!("waited for another state"),
    }
}
