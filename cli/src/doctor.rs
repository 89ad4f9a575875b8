//! `thermocline doctor`: tries what a role's configuration asks of the machine and its surroundings,
//! before the role does. Each finding says what was seen and, unless it is well, what to do.
//!
//! It may run beside a live cluster: what it writes is a few small objects below `probe/`, removed
//! again, and a scratch file beside the write-ahead log.

mod certificates;
mod gateway;
mod keys;
mod log_device;
mod machine;
mod metadata;
mod sets;
mod standby;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::config;
use crate::files::{ClusterConfig, Metadata};

/// Whose surroundings, and how thoroughly.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The TOML file of the role that is to run here.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Race thousands of conditional writes against each other, as a store must withstand before it
    /// holds a cluster. Takes a minute or more, and some thousand requests.
    #[arg(long)]
    full: bool,
    /// One JSON object per finding.
    #[arg(long)]
    json: bool,
}

/// What of a role's file is looked at; the file's other tables are the role's own matter.
#[derive(Debug, Deserialize)]
struct Surroundings {
    metadata: Option<Metadata>,
    #[serde(default)]
    cluster: ClusterConfig,
    store: Option<segment::StoreConfig>,
    gateway: Option<::gateway::Config>,
    storage_node: Option<storage_node::Config>,
    cold_reader: Option<cold_reader::Config>,
    compactor: Option<compactor::Config>,
    control: Option<control::Config>,
    vantage: Option<control::dns::VantageConfig>,
    #[serde(default)]
    encryption: tenant_keys::EncryptionConfig,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// The role will run, not as well as it could.
    Poor,
    /// The role will not run, or not safely.
    Bad,
}

/// One thing that was tried.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    seen: String,
    /// What to do; empty when all is well.
    fix: String,
}

/// Prints the findings; the exit code is 0 when none is bad.
pub(crate) async fn run(arguments: DoctorArguments) -> Result<ExitCode> {
    let file: Surroundings = config::load(&arguments.config)?;
    let role = file.check()?;
    let mut findings = machine::examine(file.memory_wanted());
    if let Some(metadata) = &file.metadata {
        findings.extend(metadata::examine(metadata).await);
    }
    findings.extend(certificates::examine(&file.cluster, role, file.listen()).await);
    findings.extend(keys::examine(&file.encryption));
    if let Some(store) = &file.store {
        findings.extend(store::examine(store, arguments.full).await);
    }
    if let Some(node) = &file.storage_node {
        findings.extend(log_device::examine(&node.wal));
    }
    if let Some(gateway) = &file.gateway {
        findings.extend(gateway::examine(gateway).await);
    }
    if let Some(control) = &file.control {
        findings.extend(sets::examine(&control.gateway_sets).await);
        findings.extend(standby::examine(&file, control).await);
    }
    if let Some(vantage) = &file.vantage {
        findings.extend(sets::look_from(vantage).await);
    }
    print(role, &findings, arguments.json);
    let is_bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

// === impl Surroundings ===

impl Surroundings {
    /// Refuses what the role itself would refuse; returns the role's name.
    fn check(&self) -> Result<&'static str> {
        Ok(match self {
            Self { gateway: Some(gateway), .. } => {
                gateway.check()?;
                "gateway"
            }
            Self { storage_node: Some(node), .. } => {
                node.check()?;
                "storage-node"
            }
            Self { cold_reader: Some(_), .. } => "cold-reader",
            Self { control: Some(control), .. } => {
                control.check()?;
                "control"
            }
            Self { compactor: Some(compactor), .. } => {
                compactor.check()?;
                "compactor"
            }
            Self { vantage: Some(vantage), .. } => {
                vantage.check()?;
                "vantage"
            }
            _ => bail!(
                "config: the file has no role's table; it needs one of [gateway], [storage_node], \
                 [cold_reader], [compactor], [control] and [vantage]"
            ),
        })
    }

    /// Where the role listens for other processes, if it does.
    fn listen(&self) -> Option<String> {
        let node = self.storage_node.as_ref().map(|node| node.listen.clone());
        let reader = || self.cold_reader.as_ref().map(|reader| reader.listen.to_string());
        let control = || self.control.as_ref().map(|control| control.listen.to_string());
        node.or_else(reader).or_else(control)
    }

    /// Bytes of memory that the configuration lets the role take, about.
    fn memory_wanted(&self) -> u64 {
        let node = |node: &storage_node::Config| node.cache_size.as_u64() + node.wal.size.as_u64();
        let reader = |reader: &cold_reader::Config| reader.memory.as_u64();
        let gateway = |config: &::gateway::Config| config.limits.request_memory.as_u64();
        self.storage_node.as_ref().map_or(0, node)
            + self.cold_reader.as_ref().map_or(0, reader)
            + self.gateway.as_ref().map_or(0, gateway)
    }
}

// === impl Finding ===

impl Finding {
    fn good(what: &'static str, seen: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Good, seen: seen.into(), fix: String::new() }
    }

    fn poor(what: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Poor, seen: seen.into(), fix: fix.into() }
    }

    fn bad(what: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Bad, seen: seen.into(), fix: fix.into() }
    }
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Poor => "poor",
            Self::Bad => "BAD",
        }
    }
}

#[expect(clippy::print_stdout, reason = "the findings are this command's output")]
fn print(role: &str, findings: &[Finding], json: bool) {
    for finding in findings {
        let Finding { what, verdict, seen, fix } = finding;
        let verdict = verdict.name();
        if json {
            let line = serde_json::json!({
                "role": role, "what": what, "verdict": verdict.to_lowercase(), "seen": seen,
                "fix": fix,
            });
            println!("{line}");
        } else {
            println!("{verdict:<5} {what:<18} {seen}");
            if !fix.is_empty() {
                println!("{:<24} → {fix}", "");
            }
        }
    }
}

#[cfg(test)]
mod tests;
