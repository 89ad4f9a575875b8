//! `thermocline-chaos`: one chaos run; the result is `tests/results/chaos-FRONT.json`, or
//! `chaos-CHECK-FRONT.json` for a check of transactions, and the exit code.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use serde_json::Value;
use thermocline_tests::chaos::rhythm::Rhythm;
use thermocline_tests::chaos::{self, Options};
use thermocline_tests::cluster::FrontKind;
use thermocline_tests::transactions::{self, Check};
use thermocline_tests::{groups, root};

/// How long the short run of CI is.
const SMOKE_SECONDS: u64 = 45;
/// The same for checks of transactions, in a rhythm that fits into it.
const SMOKE_CHECK_SECONDS: u64 = 20;
const SMOKE_KILL_SECONDS: u64 = 8;
const SMOKE_MOVE_SECONDS: u64 = 2;
/// How long the zombies of CI are held back: longer than it takes to find them gone.
const SMOKE_HOLD_SECONDS: u64 = 5;

/// Kill, pause and restart under load, then check every acknowledgement and scrub the bucket.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where acknowledgements become durable.
    #[arg(long, value_enum, default_value_t = FrontKind::Disk)]
    front: FrontKind,
    /// What transactions promise, in a workload of their own; without, every record is checked.
    #[arg(long, value_enum)]
    check: Option<Check>,
    /// How long the nemesis is at work; how long the frames of zombies are held back.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds from one kill of a storage node to the next, for checks.
    #[arg(long, default_value_t = 20)]
    kill_every: u64,
    /// Seconds from one move of a partition to the next, for checks.
    #[arg(long, default_value_t = 5)]
    move_every: u64,
    /// The same seed gives the same faults at the same times. [default: the process id]
    #[arg(long)]
    seed: Option<u64>,
    /// The short run of CI.
    #[arg(long, conflicts_with_all = ["seed", "seconds", "kill_every", "move_every"])]
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

impl Arguments {
    /// With what the short run of CI has instead.
    fn resolved(mut self) -> Self {
        if self.smoke {
            (self.seconds, self.seed) = match self.check {
                None => (SMOKE_SECONDS, Some(chaos::SMOKE_SEED)),
                Some(Check::Zombie) => (SMOKE_HOLD_SECONDS, Some(1)),
                Some(_) => (SMOKE_CHECK_SECONDS, Some(1)),
            };
            (self.kill_every, self.move_every) = (SMOKE_KILL_SECONDS, SMOKE_MOVE_SECONDS);
        }
        self
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| std::process::id().into())
    }

    /// The name of the run and of its result.
    fn name(&self) -> String {
        let check = self.check.map_or_else(String::new, |check| format!("{}-", check.name()));
        format!("chaos-{check}{}", self.front.name())
    }

    /// The result, and what is wrong.
    fn run(&self, dir: &Path) -> Result<(Value, Vec<String>)> {
        let &Self { front, seconds, rate, partitions, .. } = self;
        let Some(check) = self.check else {
            let options = Options { front, seconds, seed: self.seed(), rate, partitions };
            return chaos::run(dir, &options).map(|report| (report.json, report.wrong));
        };
        let rhythm = Rhythm {
            kill: Duration::from_secs(self.kill_every),
            moves: Duration::from_secs(self.move_every),
            seed: self.seed(),
        };
        let time = Duration::from_secs(seconds);
        let options = transactions::Options { check, front, time, rhythm };
        transactions::run(dir, &options).map(|report| (report.json, report.wrong))
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse().resolved();
    let name = arguments.name();
    groups::end_together()?;
    let dir = tempfile::Builder::new().prefix("thermocline-chaos-").tempdir()?;
    eprintln!(
        "{name}: {} s, seed {}, logs in {}",
        arguments.seconds,
        arguments.seed(),
        dir.path().display()
    );
    let (json, wrong) = match arguments.run(dir.path()) {
        Ok(result) => result,
        Err(error) => {
            eprintln!("logs are kept in {}", dir.keep().display());
            return Err(error);
        }
    };
    let results = root().join("tests/results");
    fs::create_dir_all(&results)?;
    let path = results.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_string_pretty(&json)? + "\n")?;
    eprintln!("{json:#}\nwritten to {}", path.display());
    if arguments.keep {
        eprintln!("logs are kept in {}", dir.keep().display());
    } else if !wrong.is_empty() {
        eprintln!("something is wrong; logs are kept in {}", dir.keep().display());
    }
    if wrong.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
