//! How gateway sets are looked at: `[control.gateway_sets.probe]` and `[vantage.probe]`.

use std::path::PathBuf;
use std::time::Duration;

use metadata::settings::credential::ScramMechanism;
use serde::Deserialize;

/// How a vantage point looks at the sets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// The topic that is produced to and fetched from. Default: `thermocline-probe`.
    pub topic: String,
    /// Pause between two looks. Default: 2 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long connecting, producing and fetching may take together. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// TLS, for listeners that have it. Default: plain text.
    pub tls: Option<ProbeTlsConfig>,
    /// A user, for listeners that ask for one. Default: none.
    pub sasl: Option<ProbeSaslConfig>,
}

/// TLS as clients of the listener have it. The files are read again for each look.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeTlsConfig {
    /// PEM file with the issuers of the gateways' certificates.
    pub ca: PathBuf,
    /// The name that their certificates must have, which clients know from `bootstrap.servers`.
    /// Default: the host of the address that is tried.
    #[serde(default)]
    pub server_name: Option<String>,
    /// PEM file with the certificate that gateways are shown, if they ask for one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// A user of the probes' tenant, who may write to, read and create the topic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSaslConfig {
    /// How the password is proven. Default: `SCRAM-SHA-512`.
    #[serde(default)]
    pub mechanism: ProbeMechanism,
    /// Who logs in.
    pub user: String,
    /// A file with the password; a line's end after it is no part of it. Read again for each look.
    pub password_file: PathBuf,
}

/// How a probe proves that it knows its password. The password itself is never sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum ProbeMechanism {
    /// The weaker one.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The stronger one.
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            topic: "thermocline-probe".to_owned(),
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            tls: None,
            sasl: None,
        }
    }
}

impl From<ProbeMechanism> for ScramMechanism {
    fn from(mechanism: ProbeMechanism) -> Self {
        match mechanism {
            ProbeMechanism::ScramSha256 => Self::Sha256,
            ProbeMechanism::ScramSha512 => Self::Sha512,
        }
    }
}

// === impl ProbeConfig ===

impl ProbeConfig {
    /// What the table must have, where it cannot work.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.interval.is_zero() || self.timeout.is_zero() {
            return Some("must have an `interval` and a `timeout` above 0s");
        }
        if self.tls.as_ref().is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
            return Some("must have `tls.certificate` and `tls.key` together");
        }
        if self.sasl.as_ref().is_some_and(|sasl| sasl.user.is_empty()) {
            return Some("must have a `sasl.user` that is not empty");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_with_tls_and_users_is_described_by_files() {
        let text = r#"
            interval = "1s"
            [tls]
            ca = "/etc/thermocline/ca.pem"
            server_name = "kafka.example.org"
            [sasl]
            user = "probe"
            password_file = "/etc/thermocline/probe.password"
        "#;
        let mut config: ProbeConfig = toml::from_str(text).unwrap();
        assert_eq!(config.problem(), None);
        let sasl = config.sasl.clone().unwrap();
        assert_eq!(ScramMechanism::from(sasl.mechanism), ScramMechanism::Sha512);
        let weaker = text.replace("user =", "mechanism = \"SCRAM-SHA-256\"\nuser =");
        let weaker: ProbeConfig = toml::from_str(&weaker).unwrap();
        assert_eq!(weaker.sasl.unwrap().mechanism, ProbeMechanism::ScramSha256);
        // A password is never in the file itself.
        assert!(toml::from_str::<ProbeConfig>(&format!("{text}\npassword = 'x'")).is_err());
        config.tls.as_mut().unwrap().key = Some("/etc/thermocline/probe.key".into());
        assert_eq!(config.problem().unwrap(), "must have `tls.certificate` and `tls.key` together");
        config.tls = None;
        config.sasl.as_mut().unwrap().user.clear();
        assert_eq!(config.problem().unwrap(), "must have a `sasl.user` that is not empty");
    }
}
