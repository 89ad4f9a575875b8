//! The way to the cluster: its own hop, or a listener as a Kafka client.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use hop::{HopHeader, Role};
use metadata::settings::SettingKind;
use metadata::settings::credential::{ScramCredential, ScramMechanism};
use process::Drain;
use protocol::ids::TenantId;
use protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    DescribeUserScramCredentialsRequest, RequestHeader, ResponseHeader,
};
use protocol::{Decodable, Encodable, ErrorCode, HeaderVersion, Request, StrBytes};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use crate::config;
use crate::files::{ClusterConfig, Metadata};
use crate::output::operator;
use crate::startup::{Membership, join, open_metadata};

/// How long an answer is waited for, an election of a leader included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause before the next leader is looked for.
const LEADER_PAUSE: Duration = Duration::from_millis(200);

/// Longest answer: the names of all users of a tenant.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Users, and what each may log in by.
pub(super) type Users = BTreeMap<String, Vec<ScramMechanism>>;

/// One change of one user.
pub(super) enum Change<'a> {
    /// This is the credential from now on.
    Set {
        user: &'a str,
        mechanism: ScramMechanism,
        salt: Vec<u8>,
        iterations: u32,
        salted: Zeroizing<Vec<u8>>,
    },
    /// There is none any more.
    Delete { user: &'a str, mechanism: ScramMechanism },
}

/// Somebody who can change users.
pub(super) enum Admin {
    /// The control leader, over the hop.
    Cluster { member: Box<Membership>, tenant: TenantId, drain: Drain },
    /// A gateway, over a listener.
    Listener(TcpStream),
}

/// The tables of a role's file that this reads.
#[derive(Debug, Deserialize)]
struct MetadataFile {
    metadata: Metadata,
    #[serde(default)]
    cluster: ClusterConfig,
}

impl Admin {
    /// Joins the cluster of this file's metadata store.
    pub(super) async fn of_cluster(config: &Path, tenant: TenantId) -> Result<Self> {
        let file: MetadataFile = config::load(config)?;
        let store = open_metadata(&file.metadata).await?;
        let drain = Drain::new();
        let member = Box::new(join(store, Role::Operator, &file.cluster, &drain).await?);
        Ok(Self::Cluster { member, tenant, drain })
    }

    /// Connects to a listener.
    pub(super) async fn of_listener(address: &str) -> Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await;
        let stream = stream.map_err(anyhow::Error::from).and_then(|stream| Ok(stream?));
        Ok(Self::Listener(stream.with_context(|| format!("--bootstrap {address}"))?))
    }

    /// All users.
    pub(super) async fn users(&mut self) -> Result<Users> {
        let mut users = Users::new();
        match self {
            Self::Cluster { member, tenant, .. } => {
                member.view.refresh().await?;
                let settings = member.view.settings(*tenant, SettingKind::Credential);
                let named = settings.entries.keys().map(|name| ScramMechanism::of_setting(name));
                for (mechanism, user) in named.flatten() {
                    users.entry(user.to_owned()).or_default().push(mechanism);
                }
            }
            Self::Listener(stream) => {
                let request = DescribeUserScramCredentialsRequest::default().with_users(None);
                let answer = call(stream, request).await?;
                check(answer.error_code, answer.error_message.as_ref())?;
                for user in answer.results {
                    let infos = user.credential_infos.iter();
                    let known =
                        infos.filter_map(|info| ScramMechanism::from_number(info.mechanism));
                    users.insert(user.user.to_string(), known.collect());
                }
            }
        }
        Ok(users)
    }

    /// Changes a user.
    pub(super) async fn alter(&mut self, change: Change<'_>) -> Result<()> {
        let answer = match self {
            Self::Cluster { member, tenant, .. } => {
                ask_control(member, *tenant, change.with_keys()).await?
            }
            Self::Listener(stream) => call(stream, change.with_salted_password()).await?,
        };
        let result = answer.results.first().context("an answer about nobody")?;
        check(result.error_code, result.error_message.as_ref())
    }

    /// Leaves in good order.
    pub(super) async fn close(self) -> Result<()> {
        if let Self::Cluster { drain, .. } = self {
            drain.finish(PATIENCE).await;
        }
        Ok(())
    }
}

impl Change<'_> {
    /// As a Kafka client says it.
    fn with_salted_password(self) -> AlterUserScramCredentialsRequest {
        self.request(|_, salted| Bytes::copy_from_slice(salted))
    }

    /// As a gateway says it to control: with the keys in the place of the salted password.
    fn with_keys(self) -> AlterUserScramCredentialsRequest {
        self.request(|mechanism, salted| {
            let made = ScramCredential::from_salted(mechanism, salted, Vec::new(), 0);
            [made.stored_key, made.server_key].concat().into()
        })
    }

    fn request(
        self,
        secret: impl FnOnce(ScramMechanism, &[u8]) -> Bytes,
    ) -> AlterUserScramCredentialsRequest {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let request = AlterUserScramCredentialsRequest::default();
        match self {
            Self::Set { user, mechanism, salt, iterations, salted } => {
                let upsertion = ScramCredentialUpsertion::default()
                    .with_name(text(user))
                    .with_mechanism(mechanism.number())
                    .with_iterations(i32::try_from(iterations).unwrap_or(i32::MAX))
                    .with_salt(salt.into())
                    .with_salted_password(secret(mechanism, &salted));
                request.with_upsertions(vec![upsertion])
            }
            Self::Delete { user, mechanism } => {
                let deletion = ScramCredentialDeletion::default()
                    .with_name(text(user))
                    .with_mechanism(mechanism.number());
                request.with_deletions(vec![deletion])
            }
        }
    }
}

/// Asks whoever leads, and the next one while it surely did nothing.
async fn ask_control(
    member: &Membership,
    tenant: TenantId,
    request: AlterUserScramCredentialsRequest,
) -> Result<AlterUserScramCredentialsResponse> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let not_here = ErrorCode::NotController.code();
        match member.view.leader() {
            Some(leader) => {
                let header = HopHeader::internal(tenant, left);
                let header = HopHeader { client_id: operator(), ..header };
                match member.peers.peer(&leader.address).ask(header, request.clone()).await {
                    Ok(answer) if answer.results.iter().all(|user| user.error_code != not_here) => {
                        return Ok(answer);
                    }
                    Err(error) if !error.is_definite() => {
                        return Err(error).context("control did not say what became of it");
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            None if left.is_zero() => bail!("no control process leads"),
            None => {}
        }
        if left.is_zero() {
            bail!("control cannot be reached");
        }
        sleep(LEADER_PAUSE).await;
    }
}

/// One request over a listener, in version 0, and its answer.
async fn call<R: Request>(stream: &mut TcpStream, request: R) -> Result<R::Response> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_client_id(Some(StrBytes::from_static_str("thermocline")));
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    header.encode(&mut frame, R::header_version(0)).context("header")?;
    request.encode(&mut frame, 0).context("request")?;
    let length = i32::try_from(frame.len() - 4).context("too many users")?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    let asked = async {
        stream.write_all(&frame).await?;
        let length = usize::try_from(stream.read_i32().await?).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            bail!("not an answer of a gateway");
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        Ok(Bytes::from(answer))
    };
    let mut answer = timeout(PATIENCE, asked).await.context("no answer")?.context(
        "the listener closed the connection; one that asks for a login cannot be used by this",
    )?;
    ResponseHeader::decode(&mut answer, R::Response::header_version(0)).context("header")?;
    R::Response::decode(&mut answer, 0).context("answer")
}

fn check(code: i16, message: Option<&StrBytes>) -> Result<()> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => bail!("{}: {}", code.name(), message.map_or("no reason given", |text| text)),
    }
}
