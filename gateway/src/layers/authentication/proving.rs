//! The requests that carry SASL, and their answers.
//!
//! What a failure says is the same for all of them, and Kafka's code: SASL_AUTHENTICATION_FAILED,
//! which clients do not try again.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use protocol::header::RequestHeader;
use protocol::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use protocol::request::{self, ClientRequest};
use protocol::response::ClientResponse;
use protocol::rope::RopeMut;
use protocol::{ErrorCode, StrBytes};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::{Session, State};
use crate::audit::{Event, What};
use crate::call::{Client, Disconnect, Identity, Inbound, Reply};
use crate::metrics;
use crate::sasl::{Exchange, Login, Mechanism, Refused, Sasl, Turn};

/// From this version of SaslHandshake on, tokens come in SaslAuthenticate requests.
const FIRST_WITH_HEADERS: i16 = 1;

/// Version of SaslAuthenticate from which on its answer says how long a session lasts.
const FIRST_WITH_LIFETIME: i16 = 1;

/// The first request: how it is to be proven.
pub(super) struct Handshake;

/// A client that agreed with us on a mechanism.
pub(super) struct Proving {
    sasl: Arc<Sasl>,
    mechanism: Mechanism,
    exchange: Exchange,
    /// Tokens come without headers around them.
    is_bare: bool,
    /// Who the client is already, and since when it proves that again.
    before: Option<(Session, Instant)>,
}

// === impl Handshake ===

impl Handshake {
    /// The answer, and what was agreed on, if anything. `before` is who the client is already: it
    /// may not change to another mechanism (R60).
    pub(super) fn answer(
        sasl: &Arc<Sasl>,
        before: Option<Session>,
        inbound: Inbound,
    ) -> Result<(Option<Proving>, Reply), Disconnect> {
        let Inbound { header, body, client, received } = inbound;
        let ClientRequest::SaslHandshake(SaslHandshakeRequest { mechanism, .. }) =
            request::decode(&header, body)?
        else {
            return Err(Disconnect::Unauthenticated);
        };
        let only = before.as_ref().and_then(|session| session.mechanism);
        let offered = match only {
            Some(only) => vec![only],
            None => sasl.config.mechanisms.clone(),
        };
        let agreed = sasl.offered(&mechanism).filter(|mechanism| offered.contains(mechanism));
        let code = match agreed {
            Some(_) => ErrorCode::None,
            None => ErrorCode::UnsupportedSaslMechanism,
        };
        let names = offered.iter().map(|offered| StrBytes::from_static_str(offered.name()));
        let response = SaslHandshakeResponse::default()
            .with_error_code(code.code())
            .with_mechanisms(names.collect());
        let mut reply = encode(response.into(), &header, code, received)?;
        let Some(mechanism) = agreed else {
            note_failure(sasl, &client, "none", "the mechanism is not offered");
            reply.then = Some(Disconnect::AuthenticationFailed);
            return Ok((None, reply));
        };
        let proving = Proving {
            sasl: Arc::clone(sasl),
            mechanism,
            exchange: Exchange::Begun(mechanism),
            is_bare: header.api_version < FIRST_WITH_HEADERS,
            before: before.map(|session| (session, Instant::now())),
        };
        Ok((Some(proving), reply))
    }
}

// === impl Proving ===

impl Proving {
    pub(super) fn is_known(&self) -> bool {
        self.before.is_some()
    }

    pub(super) fn is_bare(&self) -> bool {
        self.is_bare
    }

    /// Takes one token of the client. The state after it goes to `next` before the answer is
    /// written, so that the client's next frame finds it.
    pub(super) async fn turn(
        self,
        inbound: Inbound,
        next: oneshot::Sender<State>,
    ) -> Result<Reply, Disconnect> {
        let Inbound { header, body, client, received } = inbound;
        let token = if self.is_bare { body } else { token(&header, body)? };
        let answer = Answer { header, received, is_bare: self.is_bare };
        let Self { sasl, mechanism, exchange, is_bare, before } = self;
        let turn = match sasl.turn(client.tenant, exchange, &token).await {
            Turn::Done(login, bytes) => match changes_principal(&before, &login) {
                false => Turn::Done(login, bytes),
                true => Turn::Refused(Refused::because("it was somebody else before")),
            },
            turn => turn,
        };
        match turn {
            Turn::Next(exchange, bytes) => {
                let proving = Self { sasl, mechanism, exchange, is_bare, before };
                let _ = next.send(State::Proving(proving));
                answer.go_on(bytes, None)
            }
            Turn::Done(login, bytes) => {
                let lifetime_ms = sasl.lifetime_ms(&login);
                let again = before.map(|(_, began)| began);
                let session = session(&client, mechanism, login, lifetime_ms, again);
                note_success(&sasl, &client, mechanism, &session.identity);
                let _ = next.send(State::Known(session));
                answer.go_on(bytes, lifetime_ms)
            }
            Turn::Refused(refused) => {
                note_failure(&sasl, &client, mechanism.name(), &refused.to_string());
                drop(next);
                answer.refuse(sasl.config.failure_delay).await
            }
        }
    }
}

/// Whether somebody proves to be somebody else than before (R60).
fn changes_principal(before: &Option<(Session, Instant)>, login: &Login) -> bool {
    let principal = principal(login);
    before.as_ref().is_some_and(|(session, _)| session.identity.principal != principal)
}

fn principal(login: &Login) -> StrBytes {
    StrBytes::from_string(format!("User:{}", login.user))
}

fn session(
    client: &Client,
    mechanism: Mechanism,
    login: Login,
    lifetime_ms: Option<i64>,
    again: Option<Instant>,
) -> Session {
    let principal = principal(&login);
    let identity = Arc::new(Identity { tenant: client.tenant, principal });
    let expires = lifetime_ms.map(|ms| Instant::now() + Duration::from_millis(ms.unsigned_abs()));
    Session::proven(identity, mechanism, expires, login.ticket, again)
}

fn note_success(sasl: &Sasl, client: &Client, mechanism: Mechanism, identity: &Identity) {
    metrics::authenticated(mechanism.name(), "success");
    tracing::debug!(client = %client.host.as_str(), %mechanism, "client is known");
    sasl.audit.record(|| {
        let who = &identity.principal;
        let event = Event::new(What::Authenticated, client.tenant, who, &client.host);
        Event { operation: mechanism.name(), ..event }
    });
}

/// Who it was said to be is the client's text, and is left out (R66).
fn note_failure(sasl: &Sasl, client: &Client, mechanism: &'static str, reason: &str) {
    metrics::authenticated(mechanism, "failure");
    tracing::info!(client = %client.host.as_str(), mechanism, reason, "authentication failed");
    sasl.audit.record(|| {
        let event = Event::new(What::AuthenticationFailed, client.tenant, "", &client.host);
        Event { operation: mechanism, ..event }
    });
}

/// The token in a SaslAuthenticate request.
fn token(header: &RequestHeader, body: Bytes) -> Result<Bytes, Disconnect> {
    match request::decode(header, body)? {
        ClientRequest::SaslAuthenticate(SaslAuthenticateRequest { auth_bytes, .. }) => {
            Ok(auth_bytes)
        }
        _ => Err(Disconnect::Unauthenticated),
    }
}

/// How a client is answered.
struct Answer {
    header: RequestHeader,
    received: Instant,
    is_bare: bool,
}

impl Answer {
    fn go_on(self, bytes: Vec<u8>, lifetime_ms: Option<i64>) -> Result<Reply, Disconnect> {
        if self.is_bare {
            let mut frame = RopeMut::frame(bytes.len());
            frame.fields().put_slice(&bytes);
            return Ok(Reply { frame: Some(frame.finish_frame()?), ..Reply::default() });
        }
        let knows_lifetime = self.header.api_version >= FIRST_WITH_LIFETIME;
        let response = SaslAuthenticateResponse::default()
            .with_error_message(None)
            .with_auth_bytes(bytes.into())
            .with_session_lifetime_ms(lifetime_ms.filter(|_| knows_lifetime).unwrap_or(0));
        encode(response.into(), &self.header, ErrorCode::None, self.received)
    }

    /// Says no, in the end. Without headers there is no way to, but to close.
    async fn refuse(self, delay: Duration) -> Result<Reply, Disconnect> {
        sleep(delay).await;
        if self.is_bare {
            return Err(Disconnect::AuthenticationFailed);
        }
        let code = ErrorCode::SaslAuthenticationFailed;
        let text = StrBytes::from_static_str("Authentication failed: the credentials are invalid.");
        let response = SaslAuthenticateResponse::default()
            .with_error_code(code.code())
            .with_error_message(Some(text));
        let reply = encode(response.into(), &self.header, code, self.received)?;
        Ok(Reply { then: Some(Disconnect::AuthenticationFailed), ..reply })
    }
}

fn encode(
    response: ClientResponse,
    header: &RequestHeader,
    code: ErrorCode,
    received: Instant,
) -> Result<Reply, Disconnect> {
    metrics::answered(response.api(), code, received.elapsed());
    let frame = response.encode(header.api_version, header.correlation_id)?;
    Ok(Reply { frame: Some(frame), ..Reply::default() })
}
