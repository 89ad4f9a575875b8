//! Talking to the admin API: finding the leader, proving to belong to the cluster, one request at a
//! time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use control::api::{admin_token, model::Problem};
use hop::{ClusterTls, Role};
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use metadata::MetadataStore;
use metadata::keys::Key;
use metadata::model::{ClusterRecord, LeaderRecord, Record};
use process::{Drain, Net};
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use crate::config;
use crate::files::{ClusterConfig, Metadata};
use crate::output;
use crate::startup::{cluster_tls, open_metadata};

/// How long one request may take: a little longer than control waits for a commit.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a leader is looked for, while control fails over.
const LEADER_PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks.
const LEADER_PAUSE: Duration = Duration::from_millis(500);

/// Where the cluster is.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// A TOML file with the tables `[metadata]` and, in a cluster with TLS, `[cluster.tls]` with an
    /// operator's or control's certificate; control's own file does. Of `thermocline dev` the file
    /// `operator.toml` in its data directory.
    #[arg(long, value_name = "FILE", required_unless_present = "admin")]
    config: Option<PathBuf>,
    /// An admin API's address, where the metadata store cannot be reached.
    #[arg(long, value_name = "HOST:PORT", requires = "token")]
    admin: Option<String>,
    /// The cluster's admin token, for `--admin`.
    #[arg(long, env = "THERMOCLINE_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// The tables that are needed; the others belong to the role whose file it is.
#[derive(Debug, Deserialize)]
struct MetadataFile {
    metadata: Option<Metadata>,
    admin: Option<Admin>,
    #[serde(default)]
    cluster: ClusterConfig,
}

/// The way in where the metadata store is another process's own: `thermocline dev` writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Admin {
    address: String,
    token: String,
}

/// A way to the leader.
pub(crate) struct Client {
    /// Where the leader is looked up; `None` if its address was given.
    metadata: Option<std::sync::Arc<dyn MetadataStore>>,
    address: Option<String>,
    token: String,
    tls: Option<ClusterTls>,
}

// === impl Connection ===

impl Connection {
    /// By this file.
    pub(crate) fn of(config: PathBuf) -> Self {
        Self { config: Some(config), admin: None, token: None }
    }

    /// Learns where to ask and what to prove.
    pub(crate) async fn open(&self) -> Result<Client> {
        let file: Option<MetadataFile> = self.config.as_deref().map(config::load).transpose()?;
        let drain = Drain::new();
        let tls = match &file {
            Some(file) => cluster_tls(&file.cluster, Role::Operator, &drain).await?,
            None => None,
        };
        if let (Some(address), Some(token)) = (&self.admin, &self.token) {
            let (address, token) = (Some(address.clone()), token.clone());
            return Ok(Client { metadata: None, address, token, tls });
        }
        let (section, admin) = file.map_or((None, None), |file| (file.metadata, file.admin));
        if let Some(Admin { address, token }) = admin {
            return Ok(Client { metadata: None, address: Some(address), token, tls });
        }
        let section =
            section.context("--config with the table [metadata], or --admin is needed")?;
        let metadata = open_metadata(&section).await?;
        let entry = metadata.get(&Key::Cluster.to_string()).await?;
        let entry = entry.context("no cluster in the metadata store; is this its metadata.url?")?;
        let token = admin_token(&ClusterRecord::decode(&entry.value)?.secret);
        Ok(Client { metadata: Some(metadata), address: None, token, tls })
    }
}

// === impl Client ===

impl Client {
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        self.ask(Method::POST, path, Bytes::new()).await
    }

    pub(crate) async fn post_json<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        self.ask(Method::POST, path, serde_json::to_vec(body)?.into()).await
    }

    pub(super) async fn put<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        self.ask(Method::PUT, path, serde_json::to_vec(body)?.into()).await
    }

    /// Asks the leader, and looks for the next one while there is none: everything that can be asked
    /// may be asked twice.
    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T> {
        let give_up_at = Instant::now() + LEADER_PATIENCE;
        loop {
            let asked = self.try_ask(&method, path, body.clone()).await;
            match asked {
                Ok((StatusCode::OK, answer)) => {
                    return serde_json::from_slice(&answer).context("the answer is not readable");
                }
                Ok((StatusCode::MISDIRECTED_REQUEST, answer)) => {
                    let problem: Problem = serde_json::from_slice(&answer)?;
                    if Instant::now() >= give_up_at {
                        bail!(problem.error);
                    }
                    self.address = problem.leader.filter(|_| self.metadata.is_none());
                }
                Ok((StatusCode::UNAUTHORIZED, _)) => bail!(
                    "control refuses the token: it is another cluster's, or of before a rebuild; \
                     `--config` with the table [metadata] finds the present one"
                ),
                Ok((status, answer)) => match serde_json::from_slice::<Problem>(&answer) {
                    Ok(problem) => bail!(problem.error),
                    Err(_) => bail!("the admin API answered {status}"),
                },
                Err(error) if Instant::now() >= give_up_at => return Err(error),
                Err(_) if self.metadata.is_some() => self.address = None,
                Err(error) => return Err(error),
            }
            sleep(LEADER_PAUSE).await;
        }
    }

    async fn try_ask(
        &mut self,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let address = match &self.address {
            Some(address) => address.clone(),
            None => self.look_up().await?,
        };
        let answer = timeout(REQUEST_TIMEOUT, self.send(&address, method, path, body)).await;
        let answer = answer.map_err(anyhow::Error::from).and_then(|answer| answer);
        let answer = answer.with_context(|| format!("control at {address} does not answer"))?;
        self.address = Some(address);
        Ok(answer)
    }

    async fn look_up(&self) -> Result<String> {
        let metadata = self.metadata.as_ref().context("no address of an admin API")?;
        let entry = metadata.get(&Key::Leader.to_string()).await?;
        let entry = entry.context("no control process leads; start `thermocline control`")?;
        let LeaderRecord { control_id, admin, .. } = LeaderRecord::decode(&entry.value)?;
        if admin.is_empty() {
            bail!("`{control_id}` leads and has no admin API; set `control.admin.enabled = true`");
        }
        Ok(admin)
    }

    async fn send(
        &self,
        address: &str,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let mut stream = Net::system().connect(address).await?;
        if let Some(tls) = &self.tls {
            let secured = tls.connect(stream, address).await?;
            if secured.peer.role() != Role::Control {
                bail!("{address} is {}, not control", secured.peer);
            }
            stream = secured.stream;
        }
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(format!("/v1/{path}"))
            .header(HOST, address)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, output::operator().as_str())
            .body(Full::new(body))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok((status, body))
        };
        tokio::pin!(answer, connection);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            ended = &mut connection => {
                ended?;
                // The answer came with the end.
                answer.await
            }
        }
    }
}
