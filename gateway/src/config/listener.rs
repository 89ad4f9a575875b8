//! Listeners: where clients connect, what protects them there, and whose clients they are.
//!
//! One policy per listener (R60): a client cannot talk a listener into less than it asks for.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, require};
use crate::sasl::SaslConfig;
use crate::tls::Rules;

/// What stands for a tenant's host name.
const TENANT_HOST: &str = "{host}";

/// A listener, and what clients are told about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerConfig {
    /// Its name. Clients that came by a listener are told of the listeners of the same name of all
    /// gateways. Default: Kafka's name of its security, such as `PLAINTEXT`.
    pub name: Option<String>,
    /// Address to listen on. Port 0 takes any free port. Default: `127.0.0.1:9092`.
    pub bind: String,
    /// Host that clients are told to connect to. Default: the host of `bind`.
    pub advertised_host: Option<String>,
    /// Port that clients are told to connect to. Default: the port that was bound.
    pub advertised_port: Option<u16>,
    /// Host that clients are told to connect to who came by a host name of their tenant (SNI), with
    /// `{host}` for that name, such as `gw-1.{host}`: one label before it at most, or they would
    /// not be the tenant's when they come back. Default: `{host}`.
    pub tenant_host: Option<String>,
    /// How bytes are protected and clients identified. Default: `plaintext`.
    pub security: Security,
    /// The tenant whose clients come this way, by name; over TLS a tenant's host name (SNI) says
    /// more. Default: the default tenant.
    pub tenant: Option<String>,
    /// Certificates, for `tls` and `sasl_tls`.
    pub tls: Option<TlsConfig>,
    /// Mechanisms, for `sasl_plaintext` and `sasl_tls`.
    pub sasl: SaslConfig,
}

/// What protects a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Neither encryption nor identity: every client is the anonymous principal of the listener's
    /// tenant. For loopback and trusted networks.
    #[default]
    Plaintext,
    /// TLS; who the client is, its certificate says, if it is asked for one.
    Tls,
    /// SASL without encryption: passwords may be overheard. For loopback and trusted networks.
    SaslPlaintext,
    /// SASL over TLS.
    SaslTls,
}

/// Certificates of a listener with TLS. All files are PEM, and read again when they change.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The listener's certificate, followed by those that lead to its issuer.
    pub certificate: PathBuf,
    /// The certificate's private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
    /// The oldest version spoken. Default: `1.2`.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// Whether clients are asked for a certificate (Kafka's `ssl.client.auth`). Default: `none`.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Issuers whose clients' certificates are believed. Needed unless `client_auth` is `none`.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// What a client's certificate names it by. Default: `subject`.
    #[serde(default)]
    pub principal: PrincipalSource,
    /// How a subject becomes a principal (Kafka's `ssl.principal.mapping.rules`): the first rule
    /// that matches. Default: `DEFAULT`, the subject as it is.
    #[serde(default = "default_rules")]
    pub principal_mapping_rules: String,
    /// What happens to clients that name a host of no tenant. Default: `listener_tenant`.
    #[serde(default)]
    pub unknown_host: UnknownHost,
    /// How long a client may take for the handshake, all its steps together (R62). Default: 10 s.
    #[serde(default = "default_handshake", with = "humantime_serde")]
    pub handshake_timeout: Duration,
}

/// A version of TLS. Older ones are not spoken at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum TlsVersion {
    /// 1.2, with forward secrecy and authenticated encryption only.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// Whether clients have certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked; without one they are anonymous, with a wrong one they are refused.
    Requested,
    /// They must have one.
    Required,
}

/// What in a client's certificate is its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalSource {
    /// The subject, written as Java does (RFC 2253), through `principal_mapping_rules`.
    #[default]
    Subject,
    /// The one URI among the alternative names, as SPIFFE has it.
    SanUri,
}

/// What a host name of no tenant means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownHost {
    /// Nothing: the client is of the listener's tenant, as one that names no host.
    #[default]
    ListenerTenant,
    /// The client is refused, also if it names no host.
    Refuse,
}

// === impl ListenerConfig ===

impl ListenerConfig {
    /// The listener's name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.security.protocol())
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let name = self.name();
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        require(
            (1..=64).contains(&name.len()) && name.bytes().all(legal),
            "listeners.name",
            "must be 1 to 64 letters, digits, `.`, `_` or `-`",
        )?;
        if self.security.is_sasl() {
            self.sasl.check(self.security.is_tls())?;
        }
        let template = self.tenant_host.as_deref().unwrap_or(TENANT_HOST);
        require(template.contains(TENANT_HOST), "listeners.tenant_host", "must contain `{host}`")?;
        require(
            self.security.is_tls() == self.tls.is_some(),
            "listeners.tls",
            "stands with `security = \"tls\"` and `\"sasl_tls\"`, and only there",
        )?;
        self.tls.as_ref().map_or(Ok(()), TlsConfig::check)
    }
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            name: None,
            bind: "127.0.0.1:9092".to_owned(),
            advertised_host: None,
            advertised_port: None,
            tenant_host: None,
            security: Security::Plaintext,
            tenant: None,
            tls: None,
            sasl: SaslConfig::default(),
        }
    }
}

// === impl TlsConfig ===

impl TlsConfig {
    /// All defaults, for this certificate and its key.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            min_version: TlsVersion::default(),
            client_auth: ClientAuth::default(),
            client_ca: None,
            principal: PrincipalSource::default(),
            principal_mapping_rules: default_rules(),
            unknown_host: UnknownHost::default(),
            handshake_timeout: default_handshake(),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let asks = self.client_auth != ClientAuth::None;
        require(
            asks == self.client_ca.is_some(),
            "listeners.tls.client_ca",
            "stands with a `client_auth` that asks for certificates, and only there",
        )?;
        Rules::parse(&self.principal_mapping_rules).map(drop).map_err(|error| ConfigError {
            key: "listeners.tls.principal_mapping_rules",
            problem: error.to_string(),
        })
    }
}

// === impl Security ===

impl Security {
    /// Kafka's name of it (`security.protocol` of clients).
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Tls => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslTls => "SASL_SSL",
        }
    }

    /// Whether bytes are encrypted.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::SaslTls)
    }

    /// Whether clients say who they are by SASL.
    pub fn is_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslTls)
    }
}

fn default_rules() -> String {
    "DEFAULT".to_owned()
}

fn default_handshake() -> Duration {
    Duration::from_secs(10)
}
