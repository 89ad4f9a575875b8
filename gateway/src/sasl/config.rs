//! What an operator says about authentication on one listener.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::Mechanism;
use super::oauth::Keys;
use crate::config::ConfigError;
use crate::limits::{FAILURE_DELAY_MAX, REAUTHENTICATION_MIN};

/// How clients of a listener say who they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SaslConfig {
    /// The mechanisms that clients may choose from (Kafka's `sasl.enabled.mechanisms`). `PLAIN`
    /// needs TLS, `OAUTHBEARER` the table `oauth`. Default: both SCRAM mechanisms.
    pub mechanisms: Vec<Mechanism>,
    /// How long a client may go on without proving again who it is (Kafka's
    /// `connections.max.reauth.ms`, KIP-368). Clients are told and do so by themselves; those that
    /// cannot are closed, and connect again. A token's own end may come sooner. Default: 0, for as
    /// long as the connection lasts.
    #[serde(with = "humantime_serde")]
    pub max_reauth: Duration,
    /// How long a client whose authentication failed waits for its answer (Kafka's
    /// `connection.failed.authentication.delay.ms`): who guesses passwords waits at every try.
    /// Default: 100 ms; at most 5 s.
    #[serde(with = "humantime_serde")]
    pub failure_delay: Duration,
    /// Which tokens are believed.
    pub oauth: Option<OauthConfig>,
}

/// Which tokens are believed, and whom they name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OauthConfig {
    /// The keys that tokens are signed with: a path, or an https URL (Kafka's
    /// `sasl.oauthbearer.jwks.endpoint.url`).
    pub jwks: String,
    /// A PEM file with the certificates to trust at that URL, instead of the machine's.
    #[serde(default)]
    pub jwks_ca: Option<PathBuf>,
    /// How often the keys are read again. Sooner when a token names an unknown one. Default: 5 min.
    #[serde(default = "default_refresh", with = "humantime_serde")]
    pub jwks_refresh: Duration,
    /// Who must have issued a token (Kafka's `sasl.oauthbearer.expected.issuer`).
    pub issuer: String,
    /// Whom a token must be for: any of these (Kafka's `sasl.oauthbearer.expected.audience`).
    pub audience: Vec<String>,
    /// The signatures that are accepted, of RS256 to RS512, PS256 to PS512, ES256 and ES384.
    /// Default: RS256, PS256 and ES256.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// The claim that names the user (Kafka's `sasl.oauthbearer.sub.claim.name`). Default: `sub`.
    #[serde(default = "default_principal_claim")]
    pub principal_claim: String,
    /// How far the issuer's clock may be from this machine's (Kafka's
    /// `sasl.oauthbearer.clock.skew.seconds`). Default: 30 s; at most 5 min.
    #[serde(default = "default_skew", with = "humantime_serde")]
    pub clock_skew: Duration,
}

/// The signatures that may be accepted: of keys whose other half only the issuer has.
const SIGNATURES: [Algorithm; 8] = {
    use Algorithm::{ES256, ES384, PS256, PS384, PS512, RS256, RS384, RS512};
    [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384]
};

// === impl SaslConfig ===

impl Default for SaslConfig {
    fn default() -> Self {
        Self {
            mechanisms: Mechanism::ALL
                .into_iter()
                .filter(|mechanism| matches!(mechanism, Mechanism::Scram(_)))
                .collect(),
            max_reauth: Duration::ZERO,
            failure_delay: Duration::from_millis(100),
            oauth: None,
        }
    }
}

impl SaslConfig {
    /// Refuses what cannot work. `is_encrypted` says whether the listener's bytes are.
    pub(crate) fn check(&self, is_encrypted: bool) -> Result<(), ConfigError> {
        let refuse = |key, problem: &str| Err(ConfigError { key, problem: problem.to_owned() });
        if self.mechanisms.is_empty() {
            return refuse("listeners.sasl.mechanisms", "must name at least one mechanism");
        }
        // The password is in it for everybody on the way to read (R60).
        if self.mechanisms.contains(&Mechanism::Plain) && !is_encrypted {
            return refuse(
                "listeners.sasl.mechanisms",
                "PLAIN needs TLS: set security = \"sasl_tls\"",
            );
        }
        if !self.max_reauth.is_zero() && self.max_reauth < REAUTHENTICATION_MIN {
            return refuse("listeners.sasl.max_reauth", "must be 0 or at least 2s");
        }
        if self.failure_delay > FAILURE_DELAY_MAX {
            return refuse("listeners.sasl.failure_delay", "must be at most 5s");
        }
        match (&self.oauth, self.mechanisms.contains(&Mechanism::OauthBearer)) {
            (Some(oauth), _) => oauth.check(),
            (None, true) => refuse("listeners.sasl.oauth", "must be there for OAUTHBEARER"),
            (None, false) => Ok(()),
        }
    }
}

// === impl OauthConfig ===

impl OauthConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, problem: &str| Err(ConfigError { key, problem: problem.to_owned() });
        if self.issuer.is_empty() {
            return refuse("listeners.sasl.oauth.issuer", "must not be empty");
        }
        if self.audience.is_empty() {
            return refuse("listeners.sasl.oauth.audience", "must name at least one audience");
        }
        if self.algorithms.is_empty() || !self.algorithms.iter().all(|one| SIGNATURES.contains(one))
        {
            let problem = "must be of RS256 to RS512, PS256 to PS512, ES256, ES384";
            return refuse("listeners.sasl.oauth.algorithms", problem);
        }
        if self.jwks_refresh < Duration::from_secs(1) {
            return refuse("listeners.sasl.oauth.jwks_refresh", "must be at least 1s");
        }
        if self.clock_skew > Duration::from_secs(300) {
            return refuse("listeners.sasl.oauth.clock_skew", "must be at most 5min");
        }
        self.keys().map(drop)
    }

    /// Where the keys are.
    pub(super) fn keys(&self) -> Result<Keys, ConfigError> {
        let ca = self.jwks_ca.as_ref().map(|path| {
            let unreadable = |error| format!("cannot read `{}`: {error}", path.display());
            std::fs::read(path).map_err(unreadable)
        });
        let key = "listeners.sasl.oauth.jwks_ca";
        let ca = ca.transpose().map_err(|problem| ConfigError { key, problem })?;
        let key = "listeners.sasl.oauth.jwks";
        Keys::new(&self.jwks, ca.as_deref()).map_err(|problem| ConfigError { key, problem })
    }
}

fn default_refresh() -> Duration {
    Duration::from_secs(5 * 60)
}

fn default_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::PS256, Algorithm::ES256]
}

fn default_principal_claim() -> String {
    "sub".to_owned()
}

fn default_skew() -> Duration {
    Duration::from_secs(30)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth() -> OauthConfig {
        OauthConfig {
            jwks: "/etc/thermocline/jwks.json".to_owned(),
            jwks_ca: None,
            jwks_refresh: default_refresh(),
            issuer: "https://issuer.example".to_owned(),
            audience: vec!["kafka".to_owned()],
            algorithms: default_algorithms(),
            principal_claim: default_principal_claim(),
            clock_skew: default_skew(),
        }
    }

    fn refused(config: &SaslConfig, is_encrypted: bool) -> Option<&'static str> {
        config.check(is_encrypted).err().map(|error| error.key)
    }

    #[test]
    fn the_defaults_pass_and_plain_needs_tls() {
        let mut config = SaslConfig::default();
        assert_eq!(config.check(false), Ok(()));
        config.mechanisms.push(Mechanism::Plain);
        assert_eq!(refused(&config, false), Some("listeners.sasl.mechanisms"));
        assert_eq!(config.check(true), Ok(()));
        config.mechanisms.clear();
        assert_eq!(refused(&config, true), Some("listeners.sasl.mechanisms"));
    }

    #[test]
    fn oauth_says_whom_to_believe() {
        let mut config =
            SaslConfig { mechanisms: vec![Mechanism::OauthBearer], ..SaslConfig::default() };
        assert_eq!(refused(&config, true), Some("listeners.sasl.oauth"));
        config.oauth = Some(oauth());
        assert_eq!(config.check(true), Ok(()));
        for (key, wrong) in [
            ("listeners.sasl.oauth.issuer", OauthConfig { issuer: String::new(), ..oauth() }),
            ("listeners.sasl.oauth.audience", OauthConfig { audience: vec![], ..oauth() }),
            ("listeners.sasl.oauth.algorithms", OauthConfig { algorithms: vec![], ..oauth() }),
            (
                "listeners.sasl.oauth.algorithms",
                OauthConfig { algorithms: vec![Algorithm::RS256, Algorithm::HS256], ..oauth() },
            ),
            (
                "listeners.sasl.oauth.jwks",
                OauthConfig { jwks: "http://1.2.3.4/".to_owned(), ..oauth() },
            ),
            (
                "listeners.sasl.oauth.jwks",
                OauthConfig { jwks: "ftp://127.0.0.1/".to_owned(), ..oauth() },
            ),
            (
                "listeners.sasl.oauth.jwks_ca",
                OauthConfig { jwks_ca: Some("/none".into()), ..oauth() },
            ),
        ] {
            config.oauth = Some(wrong);
            assert_eq!(refused(&config, true), Some(key));
        }
        config.oauth =
            Some(OauthConfig { jwks: "http://127.0.0.1:8080/keys".to_owned(), ..oauth() });
        assert_eq!(config.check(true), Ok(()), "loopback is ours");
    }

    #[test]
    fn none_is_no_algorithm_and_a_mechanism_must_be_one() {
        use serde::de::IntoDeserializer as _;
        use serde::de::value::{Error, StrDeserializer};
        let algorithm = |name: &'static str| {
            let name: StrDeserializer<'_, Error> = name.into_deserializer();
            Algorithm::deserialize(name)
        };
        assert_eq!(algorithm("ES256"), Ok(Algorithm::ES256));
        assert!(algorithm("none").is_err());
        let mechanism = |name: &'static str| {
            let name: StrDeserializer<'_, Error> = name.into_deserializer();
            Mechanism::deserialize(name)
        };
        assert_eq!(mechanism("OAUTHBEARER"), Ok(Mechanism::OauthBearer));
        assert!(mechanism("SCRAM-SHA-1").is_err());
        assert!(mechanism("GSSAPI").is_err());
    }
}
