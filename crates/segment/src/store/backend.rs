//! From a configuration to the `object_store` implementations behind a [`Store`](super::Store).

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::config::StoreConfig;
use super::local::LocalDirectory;
use super::skew::{DatedConnector, SkewMeter};

/// The store cannot be opened as configured. No request was sent yet.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none of the three forms.
    #[error(
        "`store.url`: `{url}` is not an object store; \
         use `s3://bucket/prefix`, `file:///directory` or `memory:`"
    )]
    Url {
        /// As configured.
        url: String,
    },
    /// The directory of a `file://` store cannot be used.
    #[error(
        "`store.url`: cannot use directory `{path}`: {cause}; \
         create it, or give this user the right to write there"
    )]
    Directory {
        /// The directory.
        path: String,
        /// The operating system's words.
        cause: String,
    },
    /// Only one half of the key pair, or none although the server is not AWS.
    #[error("`{key}` is missing; set it, or leave out both keys to use AWS instance credentials")]
    MissingKey {
        /// The configuration key.
        key: &'static str,
    },
    /// The S3 client refuses the settings.
    #[error("`store.endpoint`, `store.region`: {cause}")]
    Settings {
        /// The client's words.
        cause: String,
    },
}

/// What a URL opens to.
pub(super) struct Backend {
    /// Reads, listings and unconditional writes: the client tries these again by itself.
    pub(super) retrying: Arc<dyn ObjectStore>,
    /// Conditional writes: exactly one attempt, because only we know how to judge
    /// its answer (R18).
    pub(super) single_attempt: Arc<dyn ObjectStore>,
    /// Part of the URL in front of every key.
    pub(super) prefix: Path,
    /// Whether long objects are sent in parts: where an attempt can fail on its way.
    pub(super) parts: bool,
    /// What answers tell of the server's clock, if there is a server.
    pub(super) skew: Option<Arc<SkewMeter>>,
}

impl Backend {
    pub(super) fn of(store: Arc<dyn ObjectStore>) -> Self {
        let single_attempt = Arc::clone(&store);
        Self { retrying: store, single_attempt, prefix: Path::default(), parts: true, skew: None }
    }
}

pub(super) fn open(config: &StoreConfig) -> Result<Backend, OpenError> {
    let url = config.url.as_str();
    if url == "memory:" {
        return Ok(Backend::of(Arc::new(InMemory::new())));
    }
    if let Some(path) = url.strip_prefix("file://").filter(|path| path.starts_with('/')) {
        return open_directory(path);
    }
    match url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some((bucket, prefix)) if !bucket.is_empty() => open_bucket(config, bucket, prefix),
        _ => Err(OpenError::Url { url: url.to_owned() }),
    }
}

fn open_directory(path: &str) -> Result<Backend, OpenError> {
    let directory = LocalDirectory::open(FilePath::new(path)).map_err(|error| {
        OpenError::Directory { path: path.to_owned(), cause: error.to_string() }
    })?;
    Ok(Backend { parts: false, ..Backend::of(Arc::new(directory)) })
}

fn open_bucket(config: &StoreConfig, bucket: &str, prefix: &str) -> Result<Backend, OpenError> {
    let prefix = Path::parse(prefix).map_err(|_| OpenError::Url { url: config.url.clone() })?;
    let dated = DatedConnector::default();
    let skew = Some(Arc::clone(&dated.meter));
    let builder = bucket_builder(config, bucket)?.with_http_connector(dated);
    let build = |retry: RetryConfig| -> Result<Arc<dyn ObjectStore>, OpenError> {
        let client = builder.clone().with_retry(retry).build();
        let client = client.map_err(|error| OpenError::Settings { cause: error.to_string() })?;
        Ok(Arc::new(client))
    };
    let (retrying, single_attempt) = (build(read_retries())?, build(no_retries())?);
    Ok(Backend { retrying, single_attempt, prefix, parts: true, skew })
}

fn bucket_builder(config: &StoreConfig, bucket: &str) -> Result<AmazonS3Builder, OpenError> {
    let options = ClientOptions::new()
        .with_connect_timeout(config.connect_timeout)
        .with_timeout(config.request_timeout);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&config.region)
        .with_client_options(options)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Hashing 32 MiB before each upload would cost more CPU than the upload;
        // blocks and footers carry their own CRC32C (R27).
        .with_unsigned_payload(true)
        .with_disable_tagging(true);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    match (&config.access_key_id, &config.secret_access_key) {
        (Some(id), Some(secret)) => {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.reveal());
        }
        (None, None) if config.endpoint.is_none() => {}
        (None, _) => return Err(OpenError::MissingKey { key: "store.access_key_id" }),
        (Some(_), None) => return Err(OpenError::MissingKey { key: "store.secret_access_key" }),
    }
    Ok(builder)
}

/// Short: a reader behind us holds a client that waits at most seconds.
fn read_retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(10) }
}

fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}
