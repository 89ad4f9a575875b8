//! `thermocline repair-manifest`: a partition's manifest that is lost or damaged, made again from the
//! logs and compacted objects it pointed to (R23).
//!
//! It refuses to touch one that is sound, and stores nothing without `--write`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use segment::repair::{parse_partition, plan};
use serde::Deserialize;
use serde_json::json;

use crate::config;
use crate::output;
use crate::startup::open_store;

/// Which partition, and whether to store what was found.
#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    /// A TOML file with the `[store]` table; a role's own file does.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The partition, as the end of its manifest's key says it; the key as `scrub` prints it does.
    #[arg(long, value_name = "TOPIC_ID/INDEX")]
    partition: String,
    /// Give up what lies below this offset: it was deleted, and only the manifest knew.
    #[arg(long, value_name = "OFFSET")]
    log_start: Option<i64>,
    /// Store the manifest; without this it is only shown.
    #[arg(long)]
    write: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The one table the repair reads.
#[derive(Debug, Deserialize)]
struct StoreFile {
    store: segment::StoreConfig,
}

/// Shows the manifest, and stores it if that was asked for.
pub(crate) async fn run(arguments: RepairArguments) -> Result<()> {
    let RepairArguments { config, partition, log_start, write, json } = arguments;
    let (topic, index) = parse_partition(&partition)
        .with_context(|| format!("`--partition`: `{partition}` is not TOPIC_ID/INDEX"))?;
    let file: StoreFile = config::load(&config)?;
    let store = open_store(&file.store, "repair").await?;
    let plan = plan(&store, topic, index, log_start).await?;
    let manifest = &plan.manifest;
    let found = format!(
        "partition {}: epoch {}, log start {}, {} compacted objects up to offset {}, {} logs, the \
         last is {} from offset {}",
        manifest.partition,
        manifest.epoch,
        manifest.log_start_offset,
        manifest.objects.len(),
        manifest.compacted_upto,
        manifest.chain.len(),
        manifest.owner,
        manifest.head().start_offset,
    );
    let mut summary = json!({
        "partition": manifest.partition.to_string(), "epoch": manifest.epoch,
        "log_start": manifest.log_start_offset, "objects": manifest.objects.len(),
        "compacted_upto": manifest.compacted_upto, "logs": manifest.chain.len(),
        "last_log": manifest.owner.to_string(), "last_log_start": manifest.head().start_offset,
        "stored_version": null,
    });
    let mut done = "nothing was stored; `--write` does that".to_owned();
    if write {
        let stored = plan.commit(&store).await?;
        done = format!("stored as version {}; its next owner claims it from there", stored.version);
        summary["stored_version"] = stored.version.into();
    }
    output::print(json, &summary, |_| format!("{found}\n{done}\n"))
}
