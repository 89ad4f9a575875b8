//! `thermocline scrub`: reads a whole bucket and reports what breaks a promise (S1 to S3).
//!
//! It needs the object store only, writes nothing, and may run beside a live cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use segment::Store;
use segment::scrub::{Depth, ScrubOptions, ScrubReport, scrub};
use serde::Deserialize;

use crate::config;

/// Which bucket, and how thoroughly.
#[derive(Debug, Args)]
pub(crate) struct ScrubArguments {
    /// A TOML file with the `[store]` table; a role's own file does.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check objects and footers only, not every block's bytes.
    #[arg(long)]
    quick: bool,
}

/// The one table scrub reads; the others belong to the role whose file it is.
#[derive(Debug, Deserialize)]
struct StoreFile {
    store: segment::StoreConfig,
}

/// Prints the report; the exit code is 0 only for a clean bucket.
pub(crate) async fn run(arguments: ScrubArguments) -> Result<ExitCode> {
    let file: StoreFile = config::load(&arguments.config)?;
    let store = Store::open(&file.store, "scrub")?;
    let depth = if arguments.quick { Depth::Quick } else { Depth::Full };
    let report = scrub(&store, ScrubOptions { depth, ..ScrubOptions::default() }).await?;
    print(&report);
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the report is this command's output")]
fn print(report: &ScrubReport) {
    for finding in &report.findings {
        println!("finding: {finding}");
    }
    for note in &report.notes {
        println!("note: {note}");
    }
    let (findings, notes) = (report.findings.len(), report.notes.len());
    println!(
        "{findings} findings, {notes} notes, {} more left out: {}",
        report.left_out, report.counts
    );
}
