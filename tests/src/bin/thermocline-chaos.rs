//! `thermocline-chaos`: one chaos run; the result is `tests/results/chaos-FRONT.json` and the exit
//! code.

use std::fs;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use thermocline_tests::chaos::{self, Options};
use thermocline_tests::cluster::FrontKind;
use thermocline_tests::{groups, root};

/// How long the short run of CI is.
const SMOKE_SECONDS: u64 = 45;

/// Kill, pause and restart under load, then check every acknowledgement and scrub the bucket.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where acknowledgements become durable.
    #[arg(long, value_enum, default_value_t = FrontKind::Disk)]
    front: FrontKind,
    /// How long the nemesis is at work.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The same seed gives the same faults at the same times. [default: the process id]
    #[arg(long)]
    seed: Option<u64>,
    /// The short run of CI: its seed, and 45 seconds.
    #[arg(long, conflicts_with_all = ["seed", "seconds"])]
    smoke: bool,
    /// Bytes per second of all producers together.
    #[arg(long, default_value_t = 20_000_000)]
    rate: u64,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 12)]
    partitions: u32,
    /// Keep logs and histories of a good run, too.
    #[arg(long)]
    keep: bool,
}

fn main() -> Result<ExitCode> {
    let Arguments { front, seconds, seed, smoke, rate, partitions, keep } = Arguments::parse();
    let (seconds, seed) = if smoke {
        (SMOKE_SECONDS, chaos::SMOKE_SEED)
    } else {
        (seconds, seed.unwrap_or_else(|| std::process::id().into()))
    };
    groups::end_together()?;
    let dir = tempfile::Builder::new().prefix("thermocline-chaos-").tempdir()?;
    eprintln!(
        "chaos: front {}, {seconds} s, seed {seed}, logs in {}",
        front.name(),
        dir.path().display()
    );
    let options = Options { front, seconds, seed, rate, partitions };
    let report = match chaos::run(dir.path(), &options) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("logs are kept in {}", dir.keep().display());
            return Err(error);
        }
    };
    let results = root().join("tests/results");
    fs::create_dir_all(&results)?;
    let path = results.join(format!("chaos-{}.json", front.name()));
    fs::write(&path, serde_json::to_string_pretty(&report.json)? + "\n")?;
    eprintln!("{:#}\nwritten to {}", report.json, path.display());
    if keep {
        eprintln!("logs are kept in {}", dir.keep().display());
    } else if !report.wrong.is_empty() {
        eprintln!("something is wrong; logs are kept in {}", dir.keep().display());
    }
    if report.wrong.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
