//! Where the keys come from: a file, or the URL that the operator named. Nothing a client sends
//! says where to look (CVE-2025-27817).

use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

use super::keys::{KeySet, KeySetError};
use crate::limits::{JWKS_BYTES_MAX, JWKS_TIMEOUT};

/// Where a JWKS document is.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Url(Url, Client),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(in crate::sasl) enum SourceError {
    #[error("cannot read `{}`: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot fetch it: {0}")]
    Fetch(#[from] reqwest::Error),
    #[error("it is longer than {JWKS_BYTES_MAX} bytes")]
    TooLong,
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

/// Whether `jwks` names a place on the network, and one that may be believed: nobody between us and
/// it can put other keys in.
pub(super) fn parse_url(jwks: &str) -> Result<Option<Url>, &'static str> {
    if !jwks.contains("://") {
        return Ok(None);
    }
    let url = Url::parse(jwks).map_err(|_| "is not a URL")?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(Some(url)),
        "http" if is_loopback => Ok(Some(url)),
        _ => Err("must be a path or an https URL; http only to a loopback address"),
    }
}

impl Source {
    /// `ca` is a PEM file with whom to trust instead of whom the machine trusts.
    pub(super) fn new(jwks: &str, ca: Option<&[u8]>) -> Result<Self, String> {
        let Some(url) = parse_url(jwks).map_err(str::to_owned)? else {
            return Ok(Self::File(PathBuf::from(jwks)));
        };
        let mut client = Client::builder()
            .timeout(JWKS_TIMEOUT)
            .redirect(Policy::none())
            .user_agent("thermocline");
        if let Some(pem) = ca {
            let roots = Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())?;
            client = client.tls_certs_only(roots);
        }
        let client = client.build().map_err(|error| error.to_string())?;
        Ok(Self::Url(url, client))
    }

    /// Reads the document.
    pub(super) async fn read(&self) -> Result<KeySet, SourceError> {
        let document = match self {
            Self::File(path) => {
                let read = tokio::fs::read(path).await;
                read.map_err(|source| SourceError::File { path: path.clone(), source })?
            }
            Self::Url(url, client) => fetch(url, client).await?,
        };
        if document.len() > JWKS_BYTES_MAX {
            return Err(SourceError::TooLong);
        }
        Ok(KeySet::parse(&document)?)
    }
}

/// The body, as long as it does not become too long.
async fn fetch(url: &Url, client: &Client) -> Result<Vec<u8>, SourceError> {
    let mut response = client.get(url.clone()).send().await?.error_for_status()?;
    let mut document = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if document.len() + chunk.len() > JWKS_BYTES_MAX {
            return Err(SourceError::TooLong);
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document)
}
