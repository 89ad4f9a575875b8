//! `etcd://[user:password@]host:port[,host:port...][/prefix]`.

use std::{fmt, str::FromStr};

/// Where etcd is, and under which prefix our keys are.
#[derive(PartialEq, Eq)]
pub(super) struct EtcdUrl {
    pub(super) endpoints: Vec<String>,
    pub(super) credentials: Option<(String, String)>,
    pub(super) prefix: String,
}

/// Several clusters may share an etcd, each under its own prefix.
const DEFAULT_PREFIX: &str = "thermocline";

/// What is wrong with an etcd URL. Never shows the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EtcdUrlError {
    /// Another scheme.
    #[error("an etcd URL begins with `etcd://`")]
    Scheme,
    /// An endpoint without port, or without host.
    #[error("etcd endpoint `{0}` is not `host:port`")]
    Endpoint(String),
    /// A user without password.
    #[error("etcd credentials are not `user:password`")]
    Credentials,
    /// A prefix with characters that keys do not have.
    #[error("etcd prefix `{0}` has characters other than letters, digits, `-`, `_`, `.` and `/`")]
    Prefix(String),
}

impl FromStr for EtcdUrl {
    type Err = EtcdUrlError;

    fn from_str(url: &str) -> Result<Self, EtcdUrlError> {
        let rest = url.strip_prefix("etcd://").ok_or(EtcdUrlError::Scheme)?;
        // The password may contain a slash or a comma; a host may not contain an @.
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials), rest),
            None => (None, rest),
        };
        let credentials = match credentials {
            Some(text) => {
                let (user, password) = text.split_once(':').ok_or(EtcdUrlError::Credentials)?;
                Some((user.to_owned(), password.to_owned()))
            }
            None => None,
        };
        let (hosts, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let endpoints: Result<_, _> = hosts.split(',').map(endpoint).collect();
        Ok(Self { endpoints: endpoints?, credentials, prefix: parse_prefix(prefix)? })
    }
}

impl fmt::Debug for EtcdUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdUrl")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn endpoint(text: &str) -> Result<String, EtcdUrlError> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if host.is_empty() || port.parse::<u16>().is_err() || text.contains(char::is_whitespace) {
        return Err(EtcdUrlError::Endpoint(text.to_owned()));
    }
    Ok(text.to_owned())
}

fn parse_prefix(text: &str) -> Result<String, EtcdUrlError> {
    let prefix = text.trim_matches('/');
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !prefix.chars().all(legal) {
        return Err(EtcdUrlError::Prefix(prefix.to_owned()));
    }
    Ok(if prefix.is_empty() { DEFAULT_PREFIX } else { prefix }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<EtcdUrl, EtcdUrlError> {
        url.parse()
    }

    #[test]
    fn endpoints_credentials_and_prefix_are_read() {
        let url = parse("etcd://one:2379,[::1]:2380").unwrap();
        assert_eq!(url.endpoints, ["one:2379", "[::1]:2380"]);
        assert_eq!((url.prefix.as_str(), &url.credentials), ("thermocline", &None));

        let url = parse("etcd://root:p@s/s,word@one:1/teams/blue/").unwrap();
        assert_eq!(url.endpoints, ["one:1"]);
        assert_eq!(url.credentials, Some(("root".to_owned(), "p@s/s,word".to_owned())));
        assert_eq!(url.prefix, "teams/blue");
        assert!(!format!("{url:?}").contains("word"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse("http://one:1"), Err(EtcdUrlError::Scheme));
        assert_eq!(parse("etcd://one"), Err(EtcdUrlError::Endpoint("one".to_owned())));
        assert_eq!(parse("etcd://"), Err(EtcdUrlError::Endpoint(String::new())));
        assert_eq!(parse("etcd://a:1,,b:2"), Err(EtcdUrlError::Endpoint(String::new())));
        assert_eq!(parse("etcd://a:70000"), Err(EtcdUrlError::Endpoint("a:70000".to_owned())));
        assert_eq!(parse("etcd://root@a:1"), Err(EtcdUrlError::Credentials));
        assert_eq!(parse("etcd://a:1/x y"), Err(EtcdUrlError::Prefix("x y".to_owned())));
    }
}
