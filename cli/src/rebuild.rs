//! `thermocline rebuild --from-bucket`: metadata that is lost, made again from the object store.
//!
//! It refuses a metadata store that knows a cluster, reads the bucket, and may be repeated until it
//! has succeeded.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::config;
use crate::files::Metadata;
use crate::output;
use crate::startup::{open_metadata, open_store};

/// From where to where.
#[derive(Debug, Args)]
pub(crate) struct RebuildArguments {
    /// A TOML file with the tables `[metadata]` and `[store]`; control's own file does.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The source. There is only this one so far, and naming it says that the bucket is believed.
    #[arg(long, required = true)]
    from_bucket: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The tables a rebuild reads; the others belong to the role whose file it is.
#[derive(Debug, Deserialize)]
struct RebuildFile {
    metadata: Metadata,
    store: segment::StoreConfig,
}

/// Rebuilds, and says what came back.
pub(crate) async fn run(arguments: RebuildArguments) -> Result<()> {
    let file: RebuildFile = config::load(&arguments.config)?;
    let store = open_store(&file.store, "rebuild").await?;
    let metadata = open_metadata(&file.metadata).await?;
    let control::Rebuilt { cluster_id, generation, topics, partitions, owned, nodes } =
        control::rebuild(&*metadata, &store).await?;
    let (nodes, live) = nodes;
    let summary = json!({
        "cluster": cluster_id, "generation": generation, "topics": topics,
        "partitions": partitions, "owned": owned, "nodes": nodes, "nodes_not_ended": live,
    });
    output::print(arguments.json, &summary, |_| {
        format!(
            "rebuilt cluster {cluster_id}, generation {generation}: {topics} topics, {partitions} \
             partitions ({owned} owned), {nodes} nodes ({live} have not ended their log)\n"
        )
    })
}
