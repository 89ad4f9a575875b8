//! `thermocline release`: of which release the cluster and its processes are, and the end of an
//! upgrade.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use control::ProcessInfo;
use hop::Role;
use hop::internal::FinishReleaseRequest;
use process::Drain;
use serde::{Deserialize, Serialize};

use crate::config;
use crate::files::{ClusterConfig, Metadata};
use crate::output::print;
use crate::startup::{Membership, join, open_metadata};
use crate::tenant::ask_control;

/// How long connections may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArguments {
    #[command(subcommand)]
    command: ReleaseCommand,
    /// A TOML file with the `[metadata]` table; a role's own file does.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ReleaseCommand {
    /// Say which release is finished, and which one each process can behave as.
    Show,
    /// Let the cluster write what the release before this one cannot read: the end of an upgrade.
    /// There is no way back. Refused while a process is up that does not know the release.
    Finish,
}

/// The tables of a role's file that this reads.
#[derive(Debug, Deserialize)]
struct MetadataFile {
    metadata: Metadata,
    #[serde(default)]
    cluster: ClusterConfig,
}

/// What is shown.
#[derive(Debug, Serialize)]
struct Shown {
    /// The newest release whose formats the cluster writes.
    finished: u16,
    /// The newest that this program knows.
    known: u16,
    processes: Vec<ProcessInfo>,
}

/// Does it.
pub(crate) async fn run(arguments: ReleaseArguments) -> Result<()> {
    let ReleaseArguments { command, config, json } = arguments;
    let config = config.context("`--config` is needed: a role's file")?;
    let file: MetadataFile = config::load(&config)?;
    let drain = Drain::new();
    let metadata = open_metadata(&file.metadata).await?;
    let member = join(metadata, Role::Operator, &file.cluster, &drain).await?;
    if matches!(command, ReleaseCommand::Finish) {
        finish(&member).await?;
    }
    let shown = show(&member).await?;
    print(json, &shown, Shown::lines)?;
    drain.finish(CLOSING).await;
    Ok(())
}

async fn finish(member: &Membership) -> Result<()> {
    let release = member.peers.credentials().releases().newest();
    let request = FinishReleaseRequest { release: release.number().into() };
    let answer = ask_control(member, request, |answer| answer.error_code).await?;
    if answer.error_code != 0 {
        bail!("{}", answer.message);
    }
    Ok(())
}

async fn show(member: &Membership) -> Result<Shown> {
    member.view.refresh().await.context("the metadata store does not answer")?;
    let cluster = member.view.cluster().context("the cluster's record is gone")?;
    let processes = control::processes(&*member.metadata).await?;
    let known = member.peers.credentials().releases().newest().number();
    Ok(Shown { finished: cluster.release.number(), known, processes })
}

// === impl Shown ===

impl Shown {
    fn lines(&self) -> String {
        let Self { finished, known, processes } = self;
        let mut lines = vec![format!("release {finished} is finished, this program knows {known}")];
        lines.extend(processes.iter().map(|it| format!("{} {}", it.name, it.release)));
        lines.push(String::new());
        lines.join("\n")
    }
}
