//! `thermocline vantage`: a vantage point for gateway sets, as a process of its own.
//!
//! It needs the metadata store, to say what it finds, and the way that clients have; no secret, no
//! storage, no other role. Three sites with one control process need two of these.

use anyhow::Result;
use process::Net;

use crate::files::VantageFile;
use crate::startup::{Process, open_metadata};

/// Runs until SIGTERM.
pub(crate) async fn run(file: VantageFile) -> Result<()> {
    let process = Process::start("vantage", &file.http, &file.log).await?;
    let gate = process.readiness.gate("vantage");
    let metadata = open_metadata(&file.metadata).await?;
    let (clock, drain) = (process.clock.clone(), process.roles.clone());
    let watch = control::dns::watch(file.vantage, metadata, Net::system(), clock, drain);
    drop(process.roles.spawn("vantage point", watch));
    gate.open();
    process.run_until_told(std::future::pending()).await
}
