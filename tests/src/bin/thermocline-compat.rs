//! `thermocline-compat`: one client suite against a cluster of its own; the result is
//! `tests/results/compat-SUITE.json` and the exit code.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use thermocline_tests::chaos::rhythm::Rhythm;
use thermocline_tests::cluster::FrontKind;
use thermocline_tests::compat::{self, Options, Suite};
use thermocline_tests::{groups, root};

/// Runs a suite and compares what its tests did with the suite's list of exceptions.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which.
    suite: Suite,
    /// The nodes' front.
    #[arg(long, value_enum, default_value_t = FrontKind::Disk)]
    front: FrontKind,
    /// Records of each test that produces many.
    #[arg(long, default_value_t = 20_000)]
    records: u32,
    /// Only tests whose name matches, in the suite's own syntax; the rest of the list is not judged.
    #[arg(long)]
    only: Option<String>,
    /// Kill a storage node every so many seconds and move partitions between nodes.
    #[arg(long)]
    faults: bool,
    /// Seconds from one kill to the next, with faults.
    #[arg(long, default_value_t = 20)]
    kill_every: u64,
    /// Seconds from one move to the next, with faults.
    #[arg(long, default_value_t = 5)]
    move_every: u64,
    /// Which nodes and partitions, with faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the logs of a good run, too.
    #[arg(long)]
    keep: bool,
}

fn main() -> Result<ExitCode> {
    let Arguments { suite, front, records, only, faults, kill_every, move_every, seed, keep } =
        Arguments::parse();
    let rhythm = Rhythm {
        kill: Duration::from_secs(kill_every),
        moves: Duration::from_secs(move_every),
        seed,
    };
    let options = Options { suite, front, records, only, faults: faults.then_some(rhythm) };
    groups::end_together()?;
    let dir = tempfile::Builder::new().prefix("thermocline-compat-").tempdir()?;
    eprintln!("compat: {}, front {}, logs in {}", suite.name(), front.name(), dir.path().display());
    let report = match compat::run(dir.path(), &options) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("logs are kept in {}", dir.keep().display());
            return Err(error);
        }
    };
    let results = root().join("tests/results");
    fs::create_dir_all(&results)?;
    let path = results.join(format!("{}.json", options.result()));
    fs::write(&path, serde_json::to_string_pretty(&report.json)? + "\n")?;
    eprintln!("{:#}\nwritten to {}", report.json, path.display());
    if keep || !report.wrong.is_empty() {
        eprintln!("logs are kept in {}", dir.keep().display());
    }
    if report.wrong.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
