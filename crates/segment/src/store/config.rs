//! Configuration of the object store: the `[store]` table of every role.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Where the bytes live and how to reach them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `s3://bucket/prefix`, `file:///directory` or `memory:`.
    ///
    /// A directory holds the promises of a bucket (conditional writes, atomic
    /// over processes of one machine, synced to disk); memory holds nothing
    /// across a restart and is for tests.
    pub url: String,
    /// Address of an S3-compatible server, e.g. `http://127.0.0.1:8333`.
    /// Default: AWS, by `region`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Region in the request signature. Servers other than AWS mostly ignore it.
    #[serde(default = "default_region")]
    pub region: String,
    /// Access key. Needed with `endpoint`; without both keys AWS instance
    /// credentials are used.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// Secret of the access key.
    #[serde(default)]
    pub secret_access_key: Option<Secret>,
    /// Longest wait for a connection. Default 5 s.
    #[serde(default = "default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Longest wait for one whole request, its body included. Too low fails
    /// 32 MiB uploads over slow links, too high delays the retry. Default 20 s.
    #[serde(default = "default_request_timeout", with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How long one conditional write is tried again before it is reported as
    /// unavailable; its bytes stay frozen beyond that (R14). Default 30 s.
    #[serde(default = "default_write_deadline", with = "humantime_serde")]
    pub write_deadline: Duration,
}

impl StoreConfig {
    /// All defaults, for the given `store.url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            endpoint: None,
            region: default_region(),
            access_key_id: None,
            secret_access_key: None,
            connect_timeout: default_connect_timeout(),
            request_timeout: default_request_timeout(),
            write_deadline: default_write_deadline(),
        }
    }
}

/// Text that never shows in logs (R66).
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_request_timeout() -> Duration {
    Duration::from_secs(20)
}

fn default_write_deadline() -> Duration {
    Duration::from_secs(30)
}
