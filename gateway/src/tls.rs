//! TLS of a listener: what is negotiated, with which certificate, and who the client is.
//!
//! ```text
//! files ─► server config ─ swapped when files change ─┐
//! ClientHello ─► tenant of its host name (SNI) ─► handshake ─► principal of its certificate
//! ```
//!
//! Each handshake takes the configuration as it is then; connections that stand keep theirs, so
//! that nothing is dropped when certificates change.

mod handshake;
mod name;
mod principal;
mod rules;
mod tickets;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use process::tls::{Files, FilesError, Loaded, follow, provider};
use process::{Clock, Drain};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::sync::Semaphore;

pub(crate) use self::handshake::{Handshaken, TlsRefusal};
pub(crate) use self::rules::Rules;
use self::tickets::Tickets;
use crate::config::{ClientAuth, ListenerConfig, PrincipalSource, TlsConfig, TlsVersion};
use crate::metrics;

/// Why a listener cannot do TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Its files.
    #[error("`listeners.tls`: {0}")]
    Files(#[from] FilesError),
    /// What was made of them.
    #[error("`listeners.tls`: {0}")]
    Rejected(String),
}

/// What a listener does with the bytes of its connections.
pub(crate) struct Tls {
    config: ArcSwap<ServerConfig>,
    /// For clients that are refused by a proper alert: it has no certificate.
    refusing: Arc<ServerConfig>,
    /// Handshakes that may cost something at a time, of all listeners (R65).
    handshakes: Arc<Semaphore>,
    patience: Duration,
    clock: Clock,
    principal: Option<(PrincipalSource, Rules)>,
}

/// What stays the same when the files change.
struct Recipe {
    versions: Vec<&'static SupportedProtocolVersion>,
    client_auth: ClientAuth,
    listener: String,
    secret: [u8; 32],
    clock: Clock,
}

/// Has no certificate for anybody.
#[derive(Debug)]
struct NoCertificate;

// === impl Tls ===

impl Tls {
    /// Loads a listener's files, and follows them until the drain.
    pub(crate) async fn start(
        listener: &ListenerConfig,
        tls: &TlsConfig,
        parts: TlsParts,
        drain: &Drain,
    ) -> Result<Arc<Self>, TlsError> {
        let files = Files {
            certificate: tls.certificate.clone(),
            key: tls.key.clone(),
            ca: tls.client_ca.clone(),
        };
        let recipe = Recipe {
            versions: versions(tls.min_version),
            client_auth: tls.client_auth,
            listener: listener.name().to_owned(),
            secret: parts.secret,
            clock: parts.clock.clone(),
        };
        let loaded = files.load().await?;
        let config = ArcSwap::new(Arc::new(recipe.server(&loaded)?));
        metrics::certificate(listener.name(), loaded.expires_s);
        // With SASL a certificate proves that a client may connect, not who it is.
        let names_clients = !listener.security.is_sasl();
        let rules = Rules::parse(&tls.principal_mapping_rules);
        let rules = rules.map_err(|error| TlsError::Rejected(error.to_string()))?;
        let this = Arc::new(Self {
            config,
            refusing: Arc::new(recipe.refusing()?),
            handshakes: parts.handshakes,
            patience: tls.handshake_timeout,
            clock: parts.clock,
            principal: names_clients.then_some((tls.principal, rules)),
        });
        let (following, drained) = (Arc::clone(&this), drain.clone());
        drop(drain.spawn("gateway certificates", async move {
            let changed = |new: Result<Loaded, FilesError>| following.reload(&recipe, new);
            follow(files, &loaded, drained, changed).await;
        }));
        Ok(this)
    }

    fn reload(&self, recipe: &Recipe, new: Result<Loaded, FilesError>) {
        let listener = recipe.listener.as_str();
        let new = new.map_err(TlsError::from);
        let swapped = new.and_then(|loaded| {
            self.config.store(Arc::new(recipe.server(&loaded)?));
            Ok(loaded.expires_s)
        });
        metrics::certificates_reloaded(listener, swapped.is_ok());
        match swapped {
            Ok(expires_s) => {
                metrics::certificate(listener, expires_s);
                tracing::info!(listener, expires_s, "certificates were read again");
            }
            Err(error) => {
                tracing::error!(listener, %error, "new certificates are not used");
            }
        }
    }
}

/// What the listeners of one gateway have in common.
#[derive(Clone)]
pub(crate) struct TlsParts {
    pub(crate) secret: [u8; 32],
    pub(crate) clock: Clock,
    pub(crate) handshakes: Arc<Semaphore>,
}

// === impl Recipe ===

impl Recipe {
    fn server(&self, loaded: &Loaded) -> Result<ServerConfig, TlsError> {
        let provider = provider();
        let builder = self.builder(&provider)?;
        let builder = match self.verifier(loaded, &provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let key = SingleCertAndKey::from(Arc::clone(&loaded.key));
        let mut config = builder.with_cert_resolver(Arc::new(key));
        // What a client resumes is in its ticket: this gateway need not be the one it left.
        let (listener, clock) = (self.listener.as_str(), self.clock.clone());
        let tickets = Tickets::new(&self.secret, listener, loaded.ca_mark, clock);
        config.ticketer = Arc::new(tickets) as Arc<dyn ProducesTickets>;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    fn refusing(&self) -> Result<ServerConfig, TlsError> {
        let builder = self.builder(&provider())?.with_no_client_auth();
        Ok(builder.with_cert_resolver(Arc::new(NoCertificate)))
    }

    fn builder(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider));
        builder
            .with_protocol_versions(&self.versions)
            .map_err(|error| TlsError::Rejected(error.to_string()))
    }

    fn verifier(
        &self,
        loaded: &Loaded,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let Some(roots) = loaded.roots.clone().filter(|_| self.client_auth != ClientAuth::None)
        else {
            return Ok(None);
        };
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        let builder = match self.client_auth {
            ClientAuth::Requested => builder.allow_unauthenticated(),
            ClientAuth::None | ClientAuth::Required => builder,
        };
        builder.build().map(Some).map_err(|error| TlsError::Rejected(error.to_string()))
    }
}

fn versions(min: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    match min {
        TlsVersion::V1_2 => vec![&TLS13, &TLS12],
        TlsVersion::V1_3 => vec![&TLS13],
    }
}

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
