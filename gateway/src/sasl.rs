//! Who a client is, out of what it can prove (SASL).
//!
//! ```text
//! SaslHandshake ─► mechanism ─► Exchange
//! SaslAuthenticate: bytes ─► Sasl::turn ─┬► bytes, Exchange      go on
//!                                        ├► bytes, Login         it is somebody
//!                                        └► Refused              and nothing else is said
//! ```
//!
//! The mechanisms ([`scram`], [`plain`], [`oauth`]) are state machines without I/O. [`Sasl`] gives
//! them what they need to know, [`crate::layers::authentication`] carries their bytes. Whatever is
//! wrong, the client hears the same, after the same work and the same delay.

mod config;
mod credentials;
#[cfg(test)]
pub(crate) mod fixture;
mod live;
mod mechanism;
mod oauth;
mod plain;
mod scram;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::available_parallelism;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use metadata::ClusterView;
use metadata::settings::credential::ScramMechanism;
use process::{Clock, Drain};
use protocol::ids::TenantId;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use self::config::{OauthConfig, SaslConfig};
pub(crate) use self::credentials::Credentials;
use self::credentials::Proof;
pub(crate) use self::live::{Live, Ticket};
pub use self::mechanism::Mechanism;
use self::oauth::{ClientMessage, Keys, Rules};
use self::plain::Plain;
use self::scram::{Challenge, ClientFirst};
use crate::audit::Audit;
use crate::config::{ConfigError, ListenerConfig};
use crate::limits::{SCRAM_OWN_NONCE_BYTES, TURN_TIMEOUT};

/// What authentication on one listener needs.
pub(crate) struct Sasl {
    pub(crate) config: SaslConfig,
    credentials: Arc<Credentials>,
    live: Arc<Live>,
    /// Passwords that are hashed at a time: as many as there are processors (R61).
    hashing: Arc<Semaphore>,
    oauth: Option<(Rules, Arc<Keys>)>,
    clock: Clock,
    /// Who was let in, and who was not.
    pub(crate) audit: Audit,
}

/// How far an authentication has come.
pub(crate) enum Exchange {
    /// A mechanism was agreed on.
    Begun(Mechanism),
    /// A challenge was sent.
    Challenged(Box<Challenged>),
    /// A token was refused; the client has to say that it heard.
    TokenRefused,
}

/// Somebody who says who it is, and was asked to prove it.
pub(crate) struct Challenged {
    user: String,
    proof: Proof,
    challenge: Challenge,
}

/// What a client's bytes led to.
pub(crate) enum Turn {
    /// These bytes go back, and others come.
    Next(Exchange, Vec<u8>),
    /// The client is somebody. These bytes go back.
    Done(Login, Vec<u8>),
    /// It is not.
    Refused(Refused),
}

/// Somebody.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    /// Ends the log-in with its credential; none for a token, which ends by itself.
    pub(crate) ticket: Option<Ticket>,
    /// Unix milliseconds from which on it does not hold.
    pub(crate) expires_ms: Option<i64>,
}

/// Why an authentication failed: for logs and metrics, never for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(String);

impl Refused {
    pub(crate) fn because(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }
}

/// What each listener with SASL asks, by its name. Watches the credentials, if there is one.
pub(crate) fn of_listeners(
    listeners: &[ListenerConfig],
    view: &ClusterView,
    clock: &Clock,
    audit: &Audit,
    drain: &Drain,
) -> Result<HashMap<String, Arc<Sasl>>, ConfigError> {
    let credentials = Arc::new(Credentials::new(view.clone()));
    let live = Live::new(Arc::clone(&credentials));
    let asking = listeners.iter().filter(|listener| listener.security.is_sasl());
    let sasl = asking.map(|listener| {
        let sasl = Sasl::new(&listener.sasl, &credentials, &live, clock, drain)?;
        let sasl = Sasl { audit: audit.clone(), ..sasl };
        Ok((listener.name().to_owned(), Arc::new(sasl)))
    });
    let sasl: HashMap<_, _> = sasl.collect::<Result<_, ConfigError>>()?;
    if !sasl.is_empty() {
        drop(drain.spawn("gateway log-ins", live.watch(view.clone(), drain.clone())));
    }
    Ok(sasl)
}

// === impl Sasl ===

impl Sasl {
    /// What a listener's configuration asks for. Keys of tokens are read in the background.
    pub(crate) fn new(
        config: &SaslConfig,
        credentials: &Arc<Credentials>,
        live: &Arc<Live>,
        clock: &Clock,
        drain: &Drain,
    ) -> Result<Self, ConfigError> {
        let oauth = config.oauth.as_ref().map(|oauth| {
            let keys = Arc::new(oauth.keys()?);
            let keep = Arc::clone(&keys).keep(oauth.jwks_refresh, drain.clone());
            drop(drain.spawn("gateway token keys", keep));
            let rules = Rules {
                algorithms: oauth.algorithms.clone(),
                issuer: oauth.issuer.clone(),
                audience: oauth.audience.clone(),
                principal_claim: oauth.principal_claim.clone(),
                clock_skew: oauth.clock_skew,
            };
            Ok((rules, keys))
        });
        let processors = available_parallelism().map_or(1, usize::from);
        Ok(Self {
            config: config.clone(),
            credentials: Arc::clone(credentials),
            live: Arc::clone(live),
            hashing: Arc::new(Semaphore::new(processors)),
            oauth: oauth.transpose()?,
            clock: clock.clone(),
            audit: Audit::default(),
        })
    }

    /// The mechanism of this name, if it is offered.
    pub(crate) fn offered(&self, name: &str) -> Option<Mechanism> {
        Mechanism::from_name(name).filter(|named| self.config.mechanisms.contains(named))
    }

    /// Takes what the client sent. Ends, however long the client's turn may take.
    pub(crate) async fn turn(&self, tenant: TenantId, exchange: Exchange, bytes: &[u8]) -> Turn {
        let turn = async {
            match exchange {
                Exchange::Begun(Mechanism::Scram(of)) => self.challenge(tenant, of, bytes),
                Exchange::Begun(Mechanism::Plain) => self.plain(tenant, bytes).await,
                Exchange::Begun(Mechanism::OauthBearer) => self.bearer(bytes).await,
                Exchange::Challenged(challenged) => self.verify(*challenged, bytes),
                Exchange::TokenRefused if bytes == oauth::ACKNOWLEDGED => {
                    Err(Refused::because("the token was refused"))
                }
                Exchange::TokenRefused => Err(Refused::because("the refusal was not heard")),
            }
        };
        match timeout(TURN_TIMEOUT, turn).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(refused)) => Turn::Refused(refused),
            Err(_) => Turn::Refused(Refused::because("too many log-ins at a time")),
        }
    }

    fn challenge(
        &self,
        tenant: TenantId,
        mechanism: ScramMechanism,
        bytes: &[u8],
    ) -> Result<Turn, Refused> {
        let first = ClientFirst::parse(bytes).map_err(Refused::because)?;
        let user = first.user.clone();
        let found = self.credentials.find(tenant, mechanism, &user);
        let (challenge, answer) = Challenge::new(mechanism, found.credential, first, &nonce()?);
        let challenged = Challenged { user, proof: found.proof, challenge };
        Ok(Turn::Next(Exchange::Challenged(Box::new(challenged)), answer))
    }

    fn verify(&self, challenged: Challenged, bytes: &[u8]) -> Result<Turn, Refused> {
        let Challenged { user, proof, challenge } = challenged;
        let answer = challenge.verify(bytes).map_err(Refused::because)?;
        Ok(Turn::Done(self.enter(user, proof)?, answer))
    }

    async fn plain(&self, tenant: TenantId, bytes: &[u8]) -> Result<Turn, Refused> {
        let plain = Plain::parse(bytes).ok_or_else(|| Refused::because("not a PLAIN message"))?;
        let found = self.credentials.find_any(tenant, &plain.user);
        let permit = Arc::clone(&self.hashing).acquire_owned().await;
        let hashing = tokio::task::spawn_blocking(move || {
            let verified = plain.verify(found.mechanism, &found.credential);
            drop(permit);
            (verified, plain.user, found.proof)
        });
        match hashing.await {
            Ok((true, user, proof)) => Ok(Turn::Done(self.enter(user, proof)?, Vec::new())),
            Ok((false, ..)) => Err(Refused::because("the password is wrong")),
            Err(error) => Err(Refused::because(error)),
        }
    }

    async fn bearer(&self, bytes: &[u8]) -> Result<Turn, Refused> {
        let message = ClientMessage::parse(bytes);
        let message = message.ok_or_else(|| Refused::because("not an OAUTHBEARER message"))?;
        let Some((rules, keys)) = &self.oauth else {
            return Err(Refused::because("no tokens are configured"));
        };
        let bearer = match keys.check(rules, message.token, &self.clock).await {
            Ok(bearer) => bearer,
            Err(error) => {
                tracing::info!(%error, "token refused");
                return Ok(Turn::Next(Exchange::TokenRefused, oauth::REFUSED.to_vec()));
            }
        };
        if !message.authorization_id.is_empty() && message.authorization_id != bearer.user {
            return Err(Refused::because("asks to be somebody else"));
        }
        let expires_ms = Some(bearer.expires_ms);
        Ok(Turn::Done(Login { user: bearer.user, ticket: None, expires_ms }, Vec::new()))
    }

    fn enter(&self, user: String, proof: Proof) -> Result<Login, Refused> {
        let ticket = self.live.enter(proof);
        let ticket = ticket.ok_or_else(|| Refused::because("the credential is gone"))?;
        Ok(Login { user, ticket: Some(ticket), expires_ms: None })
    }

    /// How many milliseconds a log-in holds at most: to its end, or to where the operator wants
    /// another. `None` if for ever.
    pub(crate) fn lifetime_ms(&self, login: &Login) -> Option<i64> {
        let max_ms = i64::try_from(self.config.max_reauth.as_millis()).unwrap_or(i64::MAX);
        let max = (max_ms > 0).then_some(max_ms);
        // Zero would mean for ever, to the client.
        let left = login.expires_ms.map(|at| (at - self.clock.now_ms()).max(1));
        max.into_iter().chain(left).min()
    }
}

/// Our part of a nonce: nobody can foresee it.
fn nonce() -> Result<String, Refused> {
    let mut bytes = [0; SCRAM_OWN_NONCE_BYTES];
    rand::fill(&mut bytes).map_err(Refused::because)?;
    Ok(STANDARD_NO_PAD.encode(bytes))
}
