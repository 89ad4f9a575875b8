//! Who is asking: a state machine per connection, not per request (R47).
//!
//! ```text
//! Known                                no SASL: the listener's anonymous, or whom a certificate names
//! Unknown ─ SaslHandshake ─► Proving ─ SaslAuthenticate ─► Deciding ─┬► Known
//!                              ▲  ▲                                  ├► Proving     another turn
//!                              │  └──────────────────────────────────┘
//!                              └─ SaslHandshake ── Known             again (KIP-368)
//! ```
//!
//! Before Known, only the requests that authentication itself needs pass (R60), in the order in which
//! Kafka takes them. Whoever fails is answered after a delay, and closed.
//!
//! Before the quota, which is charged to an identity, and before decoding, so that a stranger's
//! bytes reach no decoder but that of those three requests.

mod proving;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, FutureExt, ready};
use protocol::StrBytes;
use protocol::header::RequestHeader;
use protocol::ids::TenantId;
use protocol::messages::ApiKey;
use protocol::versions;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::{Layer, Service};

use self::proving::{Handshake, Proving};
pub(crate) use self::session::Session;
use crate::call::{Client, Disconnect, Identified, Identity, Inbound, Reply};
#[cfg(test)]
use crate::layers::Stages;
use crate::sasl::Sasl;

/// The principal of those who did not say who they are, as Kafka names it.
const ANONYMOUS: &str = "User:ANONYMOUS";

/// Knows who is at the other end of one connection.
pub(crate) struct Authentication<S> {
    inner: S,
    /// What the listener asks; nothing, if there is none.
    sasl: Option<Arc<Sasl>>,
    state: State,
}

/// Puts [`Authentication`] in front of one connection's service.
pub(crate) struct AuthenticationLayer {
    sasl: Option<Arc<Sasl>>,
    /// Who the client is if nothing is asked: whom its certificate names, or nobody.
    unproven: Arc<Identity>,
}

/// How far a connection's authentication has come.
enum State {
    /// Not said yet.
    Unknown {
        /// Whether the client was told what we speak. It asks once.
        knows_versions: bool,
    },
    /// Agreed on how it is to be said.
    Proving(Proving),
    /// The answer is being made; with it comes the next state.
    Deciding { next: oneshot::Receiver<State>, is_known: bool },
    /// Somebody.
    Known(Session),
    /// Nobody. The answer is on its way, and after it the end.
    Refused,
}

// === impl AuthenticationLayer ===

impl AuthenticationLayer {
    /// The state in which `client` begins.
    pub(crate) fn new(client: &Client, sasl: Option<Arc<Sasl>>) -> Self {
        let mut identity = anonymous(client.tenant);
        if let Some(principal) = &client.principal {
            identity.principal = principal.clone();
        }
        Self { sasl, unproven: Arc::new(identity) }
    }
}

fn anonymous(tenant: TenantId) -> Identity {
    Identity { tenant, principal: StrBytes::from_static_str(ANONYMOUS) }
}

impl<S> Layer<S> for AuthenticationLayer {
    type Service = Authentication<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let state = match &self.sasl {
            Some(_) => State::Unknown { knows_versions: false },
            None => State::Known(Session::endless(Arc::clone(&self.unproven))),
        };
        Authentication { inner, sasl: self.sasl.clone(), state }
    }
}

// === impl Authentication ===

impl<S> Authentication<S> {
    /// Whether the connection said who it is: decides how long its frames may be (R61).
    pub(crate) fn is_known(&self) -> bool {
        match &self.state {
            State::Known(_) => true,
            State::Proving(proving) => proving.is_known(),
            State::Deciding { is_known, .. } => *is_known,
            State::Unknown { .. } | State::Refused => false,
        }
    }

    /// Whether the next frame has a token in it.
    pub(crate) fn is_proving(&self) -> bool {
        matches!(self.state, State::Proving(_))
    }

    /// Whether the next frame is a token without a header, as after version 0 of SaslHandshake.
    pub(crate) fn takes_bare_tokens(&self) -> bool {
        matches!(&self.state, State::Proving(proving) if proving.is_bare())
    }

    /// Waits until what the next frame may be is decided; for ever, if there is to be none.
    pub(crate) async fn settled(&mut self) {
        if let State::Deciding { next, .. } = &mut self.state {
            self.state = next.await.unwrap_or(State::Refused);
        }
        if matches!(self.state, State::Refused) {
            std::future::pending().await
        }
    }

    /// Why the connection must end although its client does nothing; for ever not, mostly.
    pub(crate) fn session_end(&self) -> impl Future<Output = Disconnect> + Send + use<S> {
        let end = match &self.state {
            State::Known(session) => session.end(),
            _ => None,
        };
        async move {
            match end {
                Some(end) => end.reached().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Who asks this, if it is to be passed on; what becomes of it, if not.
    fn admit(&mut self, header: &RequestHeader, client: &Client) -> Result<Arc<Identity>, Outcome> {
        let api = header.api();
        match &mut self.state {
            State::Known(session) => {
                let again = api == Some(ApiKey::SaslHandshake) && self.sasl.is_some();
                if again && session.may_prove_again(Instant::now()) {
                    return Err(Outcome::Handshake);
                }
                if session.is_over() {
                    return Err(Outcome::End(Disconnect::SessionExpired));
                }
                Ok(Arc::clone(&session.identity))
            }
            State::Unknown { knows_versions } => match api {
                // A version that we do not speak is not what the client goes by.
                Some(ApiKey::ApiVersions) if !*knows_versions => {
                    *knows_versions = versions::is_served(header.api_key, header.api_version);
                    Ok(Arc::new(anonymous(client.tenant)))
                }
                Some(ApiKey::SaslHandshake) => Err(Outcome::Handshake),
                _ => Err(Outcome::End(Disconnect::Unauthenticated)),
            },
            State::Proving(proving)
                if proving.is_bare() || api == Some(ApiKey::SaslAuthenticate) =>
            {
                Err(Outcome::Turn)
            }
            State::Proving(_) | State::Deciding { .. } | State::Refused => {
                Err(Outcome::End(Disconnect::Unauthenticated))
            }
        }
    }

    /// Does what belongs to authentication itself.
    fn authenticate(
        &mut self,
        outcome: Outcome,
        inbound: Inbound,
    ) -> BoxFuture<'static, Result<Reply, Disconnect>> {
        let before = std::mem::replace(&mut self.state, State::Refused);
        match (outcome, before, &self.sasl) {
            (Outcome::Handshake, before, Some(sasl)) => {
                let before = match before {
                    State::Known(session) => Some(session),
                    _ => None,
                };
                match Handshake::answer(sasl, before, inbound) {
                    Ok((agreed, reply)) => {
                        self.state = agreed.map_or(State::Refused, State::Proving);
                        ready(Ok(reply)).boxed()
                    }
                    Err(disconnect) => ready(Err(disconnect)).boxed(),
                }
            }
            (Outcome::Turn, State::Proving(proving), Some(_)) => {
                let (sender, next) = oneshot::channel();
                self.state = State::Deciding { next, is_known: proving.is_known() };
                proving.turn(inbound, sender).boxed()
            }
            (Outcome::End(disconnect), ..) => ready(Err(disconnect)).boxed(),
            _ => ready(Err(Disconnect::Unauthenticated)).boxed(),
        }
    }
}

/// What becomes of a frame that is not passed on.
enum Outcome {
    Handshake,
    Turn,
    End(Disconnect),
}

impl<S> Service<Inbound> for Authentication<S>
where
    S: Service<Identified, Response = Reply, Error = Disconnect>,
{
    type Response = Reply;
    type Error = Disconnect;
    type Future = Either<BoxFuture<'static, Result<Reply, Disconnect>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        match self.admit(&inbound.header, &inbound.client) {
            Ok(identity) => Either::Right(self.inner.call(Identified { inbound, identity })),
            Err(outcome) => Either::Left(self.authenticate(outcome, inbound)),
        }
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Authentication<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("authentication");
        self.inner.stages(names);
    }
}
