//! `make chaos CHECK=bank|copy|zombie|hanging`: what transactions promise, with real clients, while
//! storage nodes are killed and partitions move (RELIABILITY §2, T3 to T11).
//!
//! ```text
//! bank     transfers between accounts                  the books balance at every audit
//! copy     consume, transform, produce, by a group     every record once, in order
//! zombie   frames held back behind a proxy             fenced, nothing of them is visible
//! hanging  late, unannounced and abandoned produces    every partition becomes stable to its end
//! ```

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::Value;
use tokio::time::Instant;

use crate::chaos::rhythm::{self, Rhythm, Tally};
use crate::clients::run_python;
use crate::cluster::{Cluster, FrontKind, Spec};

mod attacks;
mod bank;
mod books;
mod copy;
mod hanging;
mod raw_producer;
mod settled;
mod zombie;

/// A promise, and the workload that puts it to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Check {
    /// Transfers between accounts: atomic, and the sum is constant.
    Bank,
    /// Consume, transform, produce: exactly once.
    Copy,
    /// A producer whose frames are held back while another one takes its place.
    Zombie,
    /// Whatever a client does, no transaction stays open for ever.
    Hanging,
}

impl Check {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bank => "bank",
            Self::Copy => "copy",
            Self::Zombie => "zombie",
            Self::Hanging => "hanging",
        }
    }
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What is checked.
    pub check: Check,
    /// The nodes' front.
    pub front: FrontKind,
    /// How long the clients are at work; for a zombie, how long its frames are held back.
    pub time: Duration,
    /// What happens to the cluster meanwhile.
    pub rhythm: Rhythm,
}

impl Options {
    fn spec(&self) -> Spec {
        let control_lines = rhythm::CONTROL.to_owned();
        Spec { front: self.front, control_lines, ..Spec::default() }
    }
}

/// A run and its verdict.
#[derive(Debug)]
pub struct Report {
    /// The result file.
    pub json: Value,
    /// What is wrong, in words; nothing for a good run.
    pub wrong: Vec<String>,
}

impl Report {
    fn new(options: &Options, done: Tally, mut json: Value, wrong: Vec<String>) -> Self {
        json["check"] = options.check.name().into();
        json["front"] = options.front.name().into();
        json["seconds"] = options.time.as_secs().into();
        json["seed"] = options.rhythm.seed.into();
        json["kills"] = done.kills.into();
        json["moves"] = done.moves.into();
        json["exits"] = done.exits.into();
        json["wrong"] = wrong.clone().into();
        Self { json, wrong }
    }
}

/// Runs a check against a new cluster below `dir`, and judges.
pub fn run(dir: &Path, options: &Options) -> Result<Report> {
    match options.check {
        Check::Bank => bank::run(dir, options),
        Check::Copy => copy::run(dir, options),
        Check::Zombie => zombie::run(dir, options),
        Check::Hanging => hanging::run(dir, options),
    }
}

/// Faults for as long as the options want; `look` is asked all the time.
fn weather(
    cluster: &mut Cluster,
    options: &Options,
    mut look: impl FnMut() -> Result<()>,
) -> Result<Tally> {
    let end = Instant::now() + options.time;
    options.rhythm.run(cluster, || {
        look()?;
        Ok(Instant::now() < end)
    })
}

/// All values of a topic up to the ends that this isolation has, by partition and in their order.
fn read_values(bootstrap: &str, topic: &str, isolation: &str) -> Result<Vec<String>> {
    let values = run_python("transactions.py", &["values", bootstrap, topic, isolation])?;
    Ok(serde_json::from_str(&values)?)
}
