//! Any other provider: a web service of the operator's that changes DNS.
//!
//! ```text
//! GET  url   200 {"stamp": TEXT or null}
//! POST url   {"expected": TEXT or null, "stamp": TEXT, "ttl_seconds": N, "names": {NAME: [ADDRESS]}}
//!            200, 204  all of it is set      409, 412  nothing is: the stamp is not the expected one
//! ```
//!
//! It keeps the stamp wherever it likes, and it must compare and set in one step: that is what keeps two
//! clusters from switching differently. Any other 4xx says that nothing was changed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::config::WebhookConfig;
use super::provider::{Content, DnsError, DnsProvider, Stamp, Swap};
use crate::limits::{DNS_TIMEOUT, WEBHOOK_ANSWER_BYTES_MAX};

/// The way to the service.
pub(super) struct Webhook {
    client: Client,
    url: String,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    stamp: Option<String>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    expected: Option<String>,
    stamp: String,
    ttl_seconds: u64,
    names: &'a BTreeMap<String, Vec<IpAddr>>,
}

impl Webhook {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, DnsError> {
        let refuse = |key: &str, problem: &dyn std::fmt::Display| {
            DnsError::Refused(format!("`control.gateway_sets.webhook.{key}`: {problem}"))
        };
        let token = config.token_file.as_ref().map(|path| {
            let read = std::fs::read_to_string(path).map(|token| token.trim().to_owned());
            read.map_err(|error| refuse("token_file", &format!("{}: {error}", path.display())))
        });
        reqwest::Url::parse(&config.url).map_err(|error| refuse("url", &error))?;
        let client = Client::builder()
            .timeout(DNS_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| refuse("url", &error))?;
        Ok(Self { client, url: config.url.clone(), token: token.transpose()? })
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let request = self.client.request(method, &self.url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn away(&self, error: &reqwest::Error) -> DnsError {
        DnsError::Unavailable(format!("{}: {error}", self.url))
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, DnsError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.away(&error))? {
            if body.len() + chunk.len() > WEBHOOK_ANSWER_BYTES_MAX {
                return Err(DnsError::Refused(format!("{} answers too much", self.url)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl DnsProvider for Webhook {
    async fn read(&self) -> Result<Option<Stamp>, DnsError> {
        let answer = self.request(Method::GET).send().await.map_err(|error| self.away(&error))?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(DnsError::Unavailable(format!("{} answers {status}", self.url)));
        }
        let body = self.body(answer).await?;
        let found: Found = serde_json::from_slice(&body)
            .map_err(|error| DnsError::Refused(format!("{}: {error}", self.url)))?;
        found.stamp.map(|stamp| stamp.parse()).transpose()
    }

    /// A change that is to be refused is not tried here: a service that does not compare would do it.
    async fn rehearse(&self, _: &[String]) -> Result<(), DnsError> {
        self.read().await.map(drop)
    }

    async fn replace(&self, expected: Option<&Stamp>, next: &Content) -> Result<Swap, DnsError> {
        let wanted = Wanted {
            expected: expected.map(ToString::to_string),
            stamp: next.stamp.to_string(),
            ttl_seconds: next.ttl.as_secs(),
            names: &next.names,
        };
        let body = serde_json::to_vec(&wanted)
            .map_err(|error| DnsError::Refused(format!("{}: {error}", self.url)))?;
        let request = self.request(Method::POST).header("content-type", "application/json");
        let answer = request.body(body).send().await.map_err(|error| {
            if error.is_connect() {
                return self.away(&error);
            }
            DnsError::Unknown(format!("{}: {error}", self.url))
        })?;
        match answer.status() {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(Swap::Done),
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Ok(Swap::Conflict),
            status if status.is_client_error() => {
                Err(DnsError::Refused(format!("{} answers {status}", self.url)))
            }
            status => Err(DnsError::Unknown(format!("{} answers {status}", self.url))),
        }
    }
}
