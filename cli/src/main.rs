//! `thermocline`: every role of the system in one binary.
//!
//! A role reads its configuration file, starts, serves until SIGTERM, drains, and ends with 0. A
//! start that cannot work ends with one line `error: …` that names the key and the fix.
//!
//! Exit codes, of every subcommand: 0 when it is done, and well; 1 when it is not, or, of `doctor` and
//! `scrub`, when something was found; 2 when the command line cannot be read.

mod admin;
mod background;
mod certificates;
mod config;
mod dev;
mod doctor;
#[cfg(test)]
mod documented;
mod files;
mod output;
mod quota;
mod rebuild;
mod release;
mod repair_manifest;
mod roles;
mod scrub;
mod standby;
mod startup;
mod table;
mod tenant;
mod user;
mod vantage;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use self::files::RoleFile;

/// A Kafka-protocol gateway in front of a shared-storage cluster.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a single node with embedded defaults: no etcd, no cloud, one folder.
    Dev(dev::DevArguments),
    /// Run a gateway: terminates Kafka connections and routes.
    Gateway(RoleArguments),
    /// Run a storage node: write-ahead log, hot cache, upload.
    StorageNode(RoleArguments),
    /// Run a cold reader: serves what lags behind from the object store.
    ColdReader(RoleArguments),
    /// Run a compactor: rewrites small objects into large ones, deletes what nobody needs.
    Compactor(RoleArguments),
    /// Make certificates for the processes of a cluster, to try out TLS between them.
    Certificates(certificates::CertificateArguments),
    /// Run control: catalogue and placement.
    Control(RoleArguments),
    /// Look at gateway sets from where clients are, and do nothing else.
    Vantage(RoleArguments),
    /// Try what a role's configuration asks of the machine and its surroundings.
    Doctor(doctor::DoctorArguments),
    /// Limit a tenant as a whole; its users and clients are limited by Kafka's tools.
    Quota(quota::QuotaArguments),
    /// Show of which release the cluster is, and finish an upgrade.
    Release(release::ReleaseArguments),
    /// Fill an empty metadata store from the bucket alone, after the old one was lost.
    Rebuild(rebuild::RebuildArguments),
    /// Take the bucket over from the cluster that serves it: for a standby's site.
    Promote(standby::PromoteArguments),
    /// Make a standby of a cluster whose bucket was taken over.
    Demote(standby::DemoteArguments),
    /// Say what a promotion of this site would find.
    #[command(subcommand)]
    Standby(standby::StandbyCommand),
    /// Make a partition's lost or damaged manifest again from logs and compacted objects.
    RepairManifest(repair_manifest::RepairArguments),
    /// Say who may log in, and with which password.
    User(user::UserArguments),
    /// Make, change, delete and list tenants.
    Tenant(tenant::TenantArguments),
    /// Read a whole bucket and report every broken promise; writes nothing.
    Scrub(scrub::ScrubArguments),
    #[command(flatten)]
    Admin(admin::AdminCommand),
}

#[derive(Debug, Args)]
struct RoleArguments {
    /// The role's TOML file; see docs/operations.md.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only say whether the file can be used.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match keep_memory_private().and_then(|()| Arguments::parse().command.run()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Passwords on their way through, private keys and the cluster's secret are in this process's memory:
/// the kernel writes it to no core file, and shows it to no process but root's (R66).
fn keep_memory_private() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("the kernel does not keep this process's memory to itself")
}

impl Command {
    fn run(self) -> Result<ExitCode> {
        let runtime = match self {
            Self::ColdReader(_) => background::runtime(),
            _ => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
        };
        runtime.context("cannot start the runtime")?.block_on(async {
            match self {
                Self::Dev(arguments) => dev::run(arguments).await?,
                Self::Gateway(role) => role.run(roles::gateway).await?,
                Self::StorageNode(role) => role.run(roles::storage_node).await?,
                Self::ColdReader(role) => role.run(roles::cold_reader).await?,
                Self::Compactor(role) => role.run(roles::compactor).await?,
                Self::Control(role) => role.run(roles::control).await?,
                Self::Vantage(role) => role.run(vantage::run).await?,
                Self::Certificates(arguments) => certificates::run(&arguments)?,
                Self::Doctor(arguments) => return doctor::run(arguments).await,
                Self::Quota(arguments) => quota::run(arguments).await?,
                Self::Release(arguments) => release::run(arguments).await?,
                Self::Rebuild(arguments) => rebuild::run(arguments).await?,
                Self::Promote(arguments) => standby::promote(arguments).await?,
                Self::Demote(arguments) => standby::demote(arguments).await?,
                Self::Standby(command) => standby::run(command).await?,
                Self::RepairManifest(arguments) => repair_manifest::run(arguments).await?,
                Self::User(arguments) => user::run(arguments).await?,
                Self::Tenant(arguments) => tenant::run(arguments).await?,
                Self::Scrub(arguments) => return scrub::run(arguments).await,
                Self::Admin(command) => command.run().await?,
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

impl RoleArguments {
    /// Reads the role's file and, unless it was only to be checked, starts the role with it.
    async fn run<F: RoleFile>(self, start: impl AsyncFnOnce(F) -> Result<()>) -> Result<()> {
        let file: F = config::load(&self.config)?;
        file.check()?;
        if self.check {
            eprintln!("config: {} can be used", self.config.display());
            return Ok(());
        }
        start(file).await
    }
}

/// An error with its causes, as one line, without saying the same twice.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !line.contains(&cause) {
            let separator = if line.is_empty() { "" } else { ": " };
            line = format!("{line}{separator}{cause}");
        }
    }
    line.replace('\n', "; ")
}
