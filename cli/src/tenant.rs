//! `thermocline tenant`: who shares the cluster, and the host names by which their clients come.
//!
//! Whoever may read a role's file, and so the metadata store, has the cluster's secret, with which
//! control is asked over the hop; over TLS, if the file's certificate is control's or an operator's.
//! What is done is told in words, or with `--json` for programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use hop::internal::{ChangeTenantRequest, TenantChange};
use hop::{Call, HopHeader, Role};
use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::key::TenantKeys;
use metadata::settings::tenant::{DEFAULT_NAME, Tenant};
use process::Drain;
use protocol::ErrorCode;
use protocol::ids::TenantId;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::config;
use crate::files::{ClusterConfig, Metadata};
use crate::output::{operator, print};
use crate::startup::{Membership, join, open_metadata};

/// How long an answer is waited for, an election of a leader included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause before the next leader is looked for.
const LEADER_PAUSE: Duration = Duration::from_millis(200);

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct TenantArguments {
    #[command(subcommand)]
    command: TenantCommand,
    /// A TOML file with the `[metadata]` table; a role's own file does.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Make a tenant.
    Create(Hosts),
    /// Give a tenant other host names than it has.
    SetHosts(Hosts),
    /// Seal a tenant's records in the object store from now on, or no longer.
    SetEncryption {
        /// The tenant's name.
        name: String,
        /// Whether its new records are sealed.
        encryption: Encryption,
    },
    /// Give an encrypted tenant another data key, and wrap its keys with the key-encryption key that
    /// comes first in control's file.
    RotateKey {
        /// The tenant's name.
        name: String,
    },
    /// Delete a tenant that has no topics and no settings left, and its keys with it: what may be
    /// left of its sealed records cannot be read by anybody from then on.
    Delete {
        /// The tenant's name.
        name: String,
    },
    /// Name all tenants, with their numbers, host names, and the keys of those that are encrypted.
    List,
    /// Show what a tenant has.
    Describe {
        /// The tenant's name.
        name: String,
    },
}

/// Whether a tenant's new records are sealed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Encryption {
    On,
    Off,
}

impl Encryption {
    fn change(self) -> TenantChange {
        match self {
            Self::On => TenantChange::EncryptionOn,
            Self::Off => TenantChange::EncryptionOff,
        }
    }
}

#[derive(Debug, Args)]
struct Hosts {
    /// The tenant's name.
    name: String,
    /// A host name by which its clients come over TLS (SNI); may be given several times.
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
}

/// The tables of a role's file that this reads.
#[derive(Debug, Deserialize)]
struct MetadataFile {
    metadata: Metadata,
    #[serde(default)]
    cluster: ClusterConfig,
}

/// A tenant as it is shown.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    number: u32,
    hosts: Vec<String>,
    /// That its new records are sealed with, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_key: Option<String>,
}

/// What was done to a tenant.
#[derive(Debug, Serialize)]
struct Changed {
    name: String,
    number: u32,
    done: &'static str,
}

/// A tenant, and how much it has.
#[derive(Debug, Serialize)]
struct Described {
    #[serde(flatten)]
    tenant: Listed,
    topics: usize,
    partitions: i64,
    credentials: usize,
    access_control_entries: usize,
    quotas: usize,
    groups_with_configs: usize,
}

/// Does it, and says what was done.
pub(crate) async fn run(arguments: TenantArguments) -> Result<()> {
    let TenantArguments { command, config, json } = arguments;
    let config = config.context("`--config` is needed: a role's file")?;
    let drain = Drain::new();
    let member = member(&config, &drain).await?;
    match command {
        TenantCommand::List => {
            print(json, &tenants(&member).await?, |tenants| table(tenants))?;
        }
        TenantCommand::Describe { name } => {
            let tenant = find(tenants(&member).await?, &name)?;
            let described = Described::of(&member, tenant);
            print(json, &described, Described::lines)?;
        }
        TenantCommand::Create(Hosts { name, host }) => {
            change(&member, json, name, TenantChange::Create, host).await?;
        }
        TenantCommand::SetHosts(Hosts { name, host }) => {
            change(&member, json, name, TenantChange::SetHosts, host).await?;
        }
        TenantCommand::SetEncryption { name, encryption } => {
            change(&member, json, name, encryption.change(), Vec::new()).await?;
        }
        TenantCommand::RotateKey { name } => {
            change(&member, json, name, TenantChange::RotateKey, Vec::new()).await?;
        }
        TenantCommand::Delete { name } => {
            change(&member, json, name, TenantChange::Delete, Vec::new()).await?;
        }
    }
    drain.finish(PATIENCE).await;
    Ok(())
}

fn table(tenants: &[Listed]) -> String {
    let rows: Vec<_> = tenants.iter().map(Listed::row).collect();
    crate::table::table(&["TENANT", "NUMBER", "HOSTS", "KEY"], &rows)
}

async fn change(
    member: &Membership,
    json: bool,
    name: String,
    change: TenantChange,
    hosts: Vec<String>,
) -> Result<()> {
    let request = ChangeTenantRequest { name: name.clone(), change: change.into(), hosts };
    let answer = ask_control(member, request, |answer| answer.error_code).await?;
    if answer.error_code != 0 {
        bail!("tenant `{name}`: {}", answer.message);
    }
    let done = match change {
        TenantChange::Create => "created",
        TenantChange::Delete => "deleted",
        TenantChange::EncryptionOn => "is encrypted",
        TenantChange::EncryptionOff => "is not encrypted any more",
        TenantChange::RotateKey => "has another key",
        TenantChange::SetHosts | TenantChange::Unspecified => "changed",
    };
    print(json, &Changed { name, number: answer.tenant, done }, |it| {
        format!("tenant `{}` {done}, number {}\n", it.name, it.number)
    })
}

/// Joins the cluster of this file's metadata store.
async fn member(config: &Path, drain: &Drain) -> Result<Membership> {
    let file: MetadataFile = config::load(config)?;
    join(open_metadata(&file.metadata).await?, Role::Operator, &file.cluster, drain).await
}

/// The number of the tenant of this name.
pub(crate) async fn number(member: &Membership, name: &str) -> Result<TenantId> {
    Ok(TenantId(find(tenants(member).await?, name)?.number))
}

fn find(tenants: Vec<Listed>, name: &str) -> Result<Listed> {
    let found = tenants.into_iter().find(|tenant| tenant.name == name);
    found.with_context(|| {
        format!("there is no tenant `{name}`; `thermocline tenant list` names those that are there")
    })
}

/// All of them, as of now.
async fn tenants(member: &Membership) -> Result<Vec<Listed>> {
    member.view.refresh().await.context("the metadata store does not answer")?;
    let settings = member.view.settings(TenantId::DEFAULT, SettingKind::Tenant);
    let key = |tenant| {
        let keys = TenantKeys::new(&member.view.settings(tenant, SettingKind::Key));
        keys.current.map(|current| current.to_string())
    };
    let mut tenants = Vec::new();
    if !settings.entries.contains_key(DEFAULT_NAME) {
        let (name, id) = (DEFAULT_NAME.to_owned(), TenantId::DEFAULT);
        let (number, encryption_key) = (id.0, key(id));
        tenants.push(Listed { name, number, hosts: Vec::new(), encryption_key });
    }
    for (name, value) in &settings.entries {
        let tenant = Tenant::decode(value).with_context(|| format!("tenant `{name}`"))?;
        if !tenant.is_deleted {
            let (name, number, encryption_key) = (name.clone(), tenant.id.0, key(tenant.id));
            tenants.push(Listed { name, number, hosts: tenant.hosts, encryption_key });
        }
    }
    Ok(tenants)
}

// === impl Listed ===

impl Listed {
    fn row(&self) -> Vec<String> {
        let none = || "-".to_owned();
        let hosts = if self.hosts.is_empty() { none() } else { self.hosts.join(" ") };
        let key = self.encryption_key.clone().unwrap_or_else(none);
        vec![self.name.clone(), self.number.to_string(), hosts, key]
    }
}

// === impl Described ===

impl Described {
    /// Of what the member's view shows.
    fn of(member: &Membership, tenant: Listed) -> Self {
        let id = TenantId(tenant.number);
        let topics = member.view.topics(id);
        let settings = |kind| member.view.settings(id, kind).entries.len();
        Self {
            topics: topics.len(),
            partitions: topics.iter().map(|topic| i64::from(topic.partitions())).sum(),
            credentials: settings(SettingKind::Credential),
            access_control_entries: settings(SettingKind::Acl),
            quotas: settings(SettingKind::Quota),
            groups_with_configs: settings(SettingKind::Group),
            tenant,
        }
    }

    fn lines(&self) -> String {
        let [name, number, hosts, key] =
            self.tenant.row().try_into().expect("a row has four cells");
        let rows = [
            ("tenant", name),
            ("number", number),
            ("hosts", hosts),
            ("key", key),
            ("topics", self.topics.to_string()),
            ("partitions", self.partitions.to_string()),
            ("credentials", self.credentials.to_string()),
            ("access control entries", self.access_control_entries.to_string()),
            ("quotas", self.quotas.to_string()),
            ("groups with configs", self.groups_with_configs.to_string()),
        ];
        rows.iter().map(|(name, value)| format!("{name:<23} {value}\n")).collect()
    }
}

/// Asks whoever leads, and the next one while it surely did nothing.
pub(crate) async fn ask_control<M: Call + Clone>(
    member: &Membership,
    request: M,
    error_code: impl Fn(&M::Answer) -> i32,
) -> Result<M::Answer> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(leader) = member.view.leader() {
            let header = HopHeader::internal(TenantId::DEFAULT, left);
            let header = HopHeader { client_id: operator(), ..header };
            match member.peers.peer(&leader.address).ask(header, request.clone()).await {
                Ok(answer) if error_code(&answer) != i32::from(ErrorCode::NotController.code()) => {
                    return Ok(answer);
                }
                Err(error) if !error.is_definite() => {
                    return Err(error).context("control did not say what became of it");
                }
                Ok(_) | Err(_) => {}
            }
        }
        if left.is_zero() {
            bail!("no control process leads");
        }
        sleep(LEADER_PAUSE).await;
    }
}
