//! `thermocline scrub`: reads a whole bucket and reports what breaks a promise (S1 to S3).
//!
//! It needs the object store only, writes nothing, and may run beside a live cluster. Of blocks that are
//! sealed it checks all but their records, unless the file has a metadata store and keys as well.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use metadata::ClusterView;
use process::Drain;
use segment::Store;
use segment::scrub::{Depth, ScrubOptions, ScrubReport, scrub};
use serde::Deserialize;
use serde_json::json;

use crate::config;
use crate::files::Metadata;
use crate::output;
use crate::startup::open_metadata;

/// How long the metadata store is given to end its watch.
const CLOSING: Duration = Duration::from_secs(5);

/// Which bucket, and how thoroughly.
#[derive(Debug, Args)]
pub(crate) struct ScrubArguments {
    /// A TOML file with the `[store]` table; a role's own file does.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check objects and footers only, not every block's bytes.
    #[arg(long)]
    quick: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The tables that scrub reads; the others belong to the role whose file it is.
#[derive(Debug, Deserialize)]
struct StoreFile {
    store: segment::StoreConfig,
    metadata: Option<Metadata>,
    #[serde(default)]
    encryption: tenant_keys::EncryptionConfig,
}

impl StoreFile {
    /// Unwraps the keys that the metadata store has, if the file says how.
    async fn load_keys(&self, store: &Store) -> Result<()> {
        let (Some(metadata), Some(_)) = (&self.metadata, &self.encryption.key_file) else {
            return Ok(());
        };
        let drain = Drain::new();
        let view = ClusterView::start(open_metadata(metadata).await?, &drain).await?;
        if !tenant_keys::load(&view, &*self.encryption.wrapper(), store.keyring()).await {
            bail!(
                "not all keys of tenants can be unwrapped; without `key_file` sealed records are left out"
            );
        }
        drain.finish(CLOSING).await;
        Ok(())
    }
}

/// Prints the report; the exit code is 0 only for a clean bucket.
pub(crate) async fn run(arguments: ScrubArguments) -> Result<ExitCode> {
    let file: StoreFile = config::load(&arguments.config)?;
    let store = Store::open(&file.store, "scrub")?;
    file.load_keys(&store).await?;
    let depth = if arguments.quick { Depth::Quick } else { Depth::Full };
    let report = scrub(&store, ScrubOptions { depth, ..ScrubOptions::default() }).await?;
    print(&report, arguments.json)?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &ScrubReport, json: bool) -> Result<()> {
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let notes: Vec<String> = report.notes.iter().map(ToString::to_string).collect();
    let summary = json!({
        "clean": report.is_clean(), "findings": findings, "notes": notes,
        "findings_left_out": report.left_out, "notes_left_out": report.notes_left_out,
        "looked_at": report.counts.to_string(),
    });
    output::print(json, &summary, |_| {
        let lines = findings.iter().map(|it| format!("finding: {it}\n"));
        let lines: String = lines.chain(notes.iter().map(|it| format!("note: {it}\n"))).collect();
        let (findings, notes) = (findings.len(), notes.len());
        let (left_out, counts) = (report.left_out, report.counts);
        format!("{lines}{findings} findings, {notes} notes, {left_out} more left out: {counts}\n")
    })
}
