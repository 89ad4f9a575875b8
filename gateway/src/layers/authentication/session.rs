//! How long somebody stays who it is.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::call::{Disconnect, Identity};
use crate::limits::REAUTHENTICATION_PAUSE;
use crate::sasl::{Mechanism, Ticket};

/// Somebody, for as long as that was proven.
pub(crate) struct Session {
    pub(crate) identity: Arc<Identity>,
    /// How it was proven; not by SASL, if there is none.
    pub(super) mechanism: Option<Mechanism>,
    /// When it has to be proven again.
    expires: Option<Instant>,
    /// Since when it is being proven again, or was.
    began_again: Option<Instant>,
    ticket: Option<Ticket>,
}

/// When a session ends although its client does nothing.
pub(super) struct End {
    expires: Option<Instant>,
    revoked: Option<CancellationToken>,
}

// === impl Session ===

impl Session {
    /// Of a client that need not prove anything.
    pub(super) fn endless(identity: Arc<Identity>) -> Self {
        Self { identity, mechanism: None, expires: None, began_again: None, ticket: None }
    }

    /// Of a client that did. `again` is when it began to, if it had done so before.
    pub(super) fn proven(
        identity: Arc<Identity>,
        mechanism: Mechanism,
        expires: Option<Instant>,
        ticket: Option<Ticket>,
        again: Option<Instant>,
    ) -> Self {
        Self { identity, mechanism: Some(mechanism), expires, began_again: again, ticket }
    }

    /// Whether the client may prove again who it is. As in Kafka: only if it has to some day, and
    /// not twice a second.
    pub(super) fn may_prove_again(&self, now: Instant) -> bool {
        let paused = |began: Instant| now.saturating_duration_since(began) < REAUTHENTICATION_PAUSE;
        self.expires.is_some() && !self.began_again.is_some_and(paused)
    }

    pub(super) fn is_over(&self) -> bool {
        self.expires.is_some_and(|expires| Instant::now() >= expires)
            || self.ticket.as_ref().is_some_and(Ticket::is_revoked)
    }

    pub(super) fn end(&self) -> Option<End> {
        let end = End { expires: self.expires, revoked: self.ticket.as_ref().map(Ticket::revoked) };
        (end.expires.is_some() || end.revoked.is_some()).then_some(end)
    }
}

// === impl End ===

impl End {
    /// Waits for it, and says which it was.
    pub(super) async fn reached(self) -> Disconnect {
        let expired = async {
            match self.expires {
                Some(expires) => sleep_until(expires).await,
                None => std::future::pending().await,
            }
        };
        let revoked = async {
            match &self.revoked {
                Some(revoked) => revoked.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = expired => Disconnect::SessionExpired,
            () = revoked => Disconnect::Revoked,
        }
    }
}
