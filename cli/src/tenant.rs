//! `thermocline tenant`: who shares the cluster, and the host names by which their clients come.
//!
//! Whoever may read a role's file, and so the metadata store, has the cluster's secret, with which
//! control is asked over the hop.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use hop::internal::{ChangeTenantRequest, ChangeTenantResponse, TenantChange};
use hop::{HopHeader, Role};
use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::key::TenantKeys;
use metadata::settings::tenant::{DEFAULT_NAME, Tenant};
use process::Drain;
use protocol::ErrorCode;
use protocol::ids::TenantId;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::config;
use crate::files::Metadata;
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

/// The one table of a role's file that this reads.
#[derive(Debug, Deserialize)]
struct MetadataFile {
    metadata: Metadata,
}

/// Does it, and says what was done.
#[expect(clippy::print_stdout, reason = "what was done is this command's output")]
pub(crate) async fn run(arguments: TenantArguments) -> Result<()> {
    let config = arguments.config.context("`--config` is needed: a role's file")?;
    let drain = Drain::new();
    let member = member(&config, &drain).await?;
    let (name, change, hosts) = match arguments.command {
        TenantCommand::Create(Hosts { name, host }) => (name, TenantChange::Create, host),
        TenantCommand::SetHosts(Hosts { name, host }) => (name, TenantChange::SetHosts, host),
        TenantCommand::SetEncryption { name, encryption } => {
            (name, encryption.change(), Vec::new())
        }
        TenantCommand::RotateKey { name } => (name, TenantChange::RotateKey, Vec::new()),
        TenantCommand::Delete { name } => (name, TenantChange::Delete, Vec::new()),
        TenantCommand::List => {
            for line in list(&member).await? {
                println!("{line}");
            }
            drain.finish(PATIENCE).await;
            return Ok(());
        }
    };
    let request = ChangeTenantRequest { name: name.clone(), change: change.into(), hosts };
    let answer = ask_control(&member, request).await?;
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
    println!("tenant `{name}` {done}, number {}", answer.tenant);
    drain.finish(PATIENCE).await;
    Ok(())
}

/// Joins the cluster of this file's metadata store.
async fn member(config: &Path, drain: &Drain) -> Result<Membership> {
    let file: MetadataFile = config::load(config)?;
    join(open_metadata(&file.metadata).await?, Role::Operator, drain).await
}

/// A line per tenant.
async fn list(member: &Membership) -> Result<Vec<String>> {
    member.view.refresh().await?;
    let settings = member.view.settings(TenantId::DEFAULT, SettingKind::Tenant);
    let key = |tenant| {
        let keys = TenantKeys::new(&member.view.settings(tenant, SettingKind::Key));
        keys.current.map_or_else(String::new, |current| format!(" encrypted, key {current}"))
    };
    let mut lines = Vec::new();
    if !settings.entries.contains_key(DEFAULT_NAME) {
        lines.push(format!("{DEFAULT_NAME} {}{}", TenantId::DEFAULT, key(TenantId::DEFAULT)));
    }
    for (name, value) in &settings.entries {
        let tenant = Tenant::decode(value).with_context(|| format!("tenant `{name}`"))?;
        if !tenant.is_deleted {
            let hosts = tenant.hosts.iter().map(|host| format!(" {host}"));
            let (id, hosts) = (tenant.id, hosts.collect::<String>());
            lines.push(format!("{name} {id}{hosts}{}", key(id)));
        }
    }
    Ok(lines)
}

/// Asks whoever leads, and the next one while it surely did nothing.
async fn ask_control(
    member: &Membership,
    request: ChangeTenantRequest,
) -> Result<ChangeTenantResponse> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(leader) = member.view.leader() {
            let header = HopHeader::internal(TenantId::DEFAULT, left);
            match member.peers.peer(&leader.address).ask(header, request.clone()).await {
                Ok(answer) if answer.error_code != i32::from(ErrorCode::NotController.code()) => {
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
