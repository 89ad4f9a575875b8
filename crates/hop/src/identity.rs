//! Who a process is, by its certificate: `spiffe://<cluster>/<role>[/<name>]`.
//!
//! The form is SPIFFE's (one URI among the alternative names; the host part names the domain of
//! trust), so that whatever issues such certificates can issue ours. The name is for logs.

use std::fmt;

use process::tls::only_uri;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Role;

/// Longer than anything that was meant to be a cluster's name.
const CLUSTER_BYTES_MAX: usize = 255;
/// What SPIFFE allows at most.
const URI_BYTES_MAX: usize = 2048;

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    cluster: String,
    role: Role,
    name: Option<String>,
}

/// Why a certificate is not that of a member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not one URI, or another certificate altogether.
    #[error("the certificate does not have exactly one URI as alternative name")]
    NotOneUri,
    /// A URI of something else.
    #[error("`{0}` is not spiffe://<cluster>/<role> or spiffe://<cluster>/<role>/<name>")]
    Form(String),
    /// A role that is none.
    #[error(
        "`{0}` names no role; one of gateway, storage-node, cold-reader, control, compactor, operator"
    )]
    Role(String),
    /// Its session is resumed after it has ended.
    #[error("the certificate of {0} has expired")]
    Expired(Identity),
    /// Another cluster's, of the same issuer.
    #[error("{theirs} is of another cluster than {ours}")]
    OtherCluster {
        /// The peer.
        theirs: Identity,
        /// This process.
        ours: Identity,
    },
}

impl Identity {
    /// Reads a certificate that is verified already. A session may be resumed long after that, so
    /// its end is looked at again.
    pub(crate) fn of(certificate: &CertificateDer<'_>, now_ms: i64) -> Result<Self, IdentityError> {
        let parsed = X509Certificate::from_der(certificate);
        let (_, certificate) = parsed.map_err(|_| IdentityError::NotOneUri)?;
        let uri = only_uri(&certificate).ok_or(IdentityError::NotOneUri)?;
        let identity = Self::parse(uri)?;
        if certificate.validity().not_after.timestamp() < now_ms / 1000 {
            return Err(IdentityError::Expired(identity));
        }
        Ok(identity)
    }

    /// Reads the URI.
    pub fn parse(uri: &str) -> Result<Self, IdentityError> {
        let form = || IdentityError::Form(uri.chars().take(CLUSTER_BYTES_MAX).collect());
        let rest = uri.strip_prefix("spiffe://").filter(|_| uri.len() <= URI_BYTES_MAX);
        let (cluster, path) = rest.and_then(|rest| rest.split_once('/')).ok_or_else(form)?;
        let in_cluster =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let in_path = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_segment =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(in_path);
        let is_cluster = !cluster.is_empty() && cluster.chars().all(in_cluster);
        if !is_cluster || cluster.len() > CLUSTER_BYTES_MAX || !path.split('/').all(is_segment) {
            return Err(form());
        }
        let (role, name) = match path.split_once('/') {
            Some((role, name)) => (role, Some(name.to_owned())),
            None => (path, None),
        };
        let role = Role::certified(role).ok_or_else(|| IdentityError::Role(role.to_owned()))?;
        Ok(Self { cluster: cluster.to_owned(), role, name })
    }

    /// What it may do.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether both are of one cluster.
    pub fn is_of_cluster_of(&self, other: &Self) -> bool {
        self.cluster == other.cluster
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}", self.cluster, self.role)?;
        match &self.name {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_and_written_alike() {
        for uri in [
            "spiffe://blue/gateway",
            "spiffe://prod.example.org/storage-node/3",
            "spiffe://a_b/control/ns/kafka/sa/control-0",
        ] {
            assert_eq!(Identity::parse(uri).unwrap().to_string(), uri);
        }
        let identity = Identity::parse("spiffe://blue/cold-reader/7").unwrap();
        assert_eq!(identity.role(), Role::ColdReader);
    }

    #[test]
    fn clusters_of_one_issuer_are_told_apart() {
        let [blue, green] = ["spiffe://blue/gateway", "spiffe://green/gateway"]
            .map(|uri| Identity::parse(uri).unwrap());
        assert!(!blue.is_of_cluster_of(&green));
        assert!(blue.is_of_cluster_of(&Identity::parse("spiffe://blue/control/1").unwrap()));
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        let long = format!("spiffe://blue/gateway/{}", "x".repeat(URI_BYTES_MAX));
        for uri in [
            "https://blue/gateway",
            "spiffe://blue",
            "spiffe:///gateway",
            "spiffe://Blue/gateway",
            "spiffe://blue:443/gateway",
            "spiffe://x@blue/gateway",
            "spiffe://blue/",
            "spiffe://blue/gateway/",
            "spiffe://blue//gateway",
            "spiffe://blue/gateway/../control",
            "spiffe://blue/gateway?x=control",
            "spiffe://blue/gate\nway",
            &long,
        ] {
            assert!(matches!(Identity::parse(uri), Err(IdentityError::Form(_))), "{uri:?}");
        }
        for uri in ["spiffe://blue/dev", "spiffe://blue/Gateway", "spiffe://blue/etcd"] {
            assert!(matches!(Identity::parse(uri), Err(IdentityError::Role(_))), "{uri}");
        }
    }
}
