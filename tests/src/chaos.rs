//! `make chaos`: a cluster under load, a nemesis, then a checker that does not know what happened.
//!
//! ```text
//! producers ──► gateways ──► nodes        nemesis: kill -9, SIGSTOP, moves of partitions
//! followers ◄──    │     ◄──              heal, read everything from offset 0, check, scrub
//!    └─ histories ─┴──────────────► checker
//! ```

pub mod checker;
pub mod history;
pub mod load;
pub mod rhythm;

mod faults;
mod nemesis;
mod outage;
mod report;
mod supervisor;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use self::faults::Faults;
use self::load::Load;
pub use self::nemesis::SMOKE_SEED;
pub use self::report::Report;
use self::rhythm::CONTROL;
use crate::clients::Client;
use crate::cluster::{Cluster, FrontKind, Spec};

/// The topic everything happens in.
const TOPIC: &str = "chaos";
/// Load before the first fault and after the last repair: both must be unremarkable.
const CALM: Duration = Duration::from_secs(5);

/// Records are rewritten within seconds, and what is not needed goes within a minute: the owner that
/// is paused in the middle of a commit is paused for less than that.
const COMPACTOR: &str = r#"
interval = "1s"
object_min = "4MiB"
own_object_from = "1MiB"
max_age = "3s"
merge_objects = 4
lease = "10s"
[compactor.gc]
interval = "3s"
grace = "5s"
orphan_age = "60s"
"#;

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The nodes' front.
    pub front: FrontKind,
    /// How long the nemesis is at work.
    pub seconds: u64,
    /// Determines the faults and their times.
    pub seed: u64,
    /// Bytes per second of all producers together.
    pub rate: u64,
    /// Partitions of the topic.
    pub partitions: u32,
}

/// Runs the nemesis against a new cluster below `dir`, and judges.
pub fn run(dir: &Path, options: &Options) -> Result<Report> {
    let compactor = Some(COMPACTOR.to_owned());
    let control_lines = CONTROL.to_owned();
    let spec = Spec { front: options.front, compactor, control_lines, ..Spec::default() };
    let mut cluster = Cluster::start(dir, &spec)?;
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, options.partitions)?;
    let load = Load::start(dir, &bootstrap, TOPIC, options.partitions, options.rate)?;
    std::thread::sleep(CALM);
    let faults = Faults::new(&mut cluster, TOPIC, options.partitions, options.seed)?;
    let done = faults.run(Duration::from_secs(options.seconds))?;
    eprintln!("healed; load goes on for {CALM:?}, then everything is read again");
    std::thread::sleep(CALM);
    let history = load.finish()?;
    let findings = checker::check(&history);
    eprintln!("checked {} acknowledgements; scrubbing", history.acks.len());
    let scrub = cluster.scrub_findings().context("scrub cannot run")?;
    Ok(Report::new(options, &history, findings, done, scrub))
}
