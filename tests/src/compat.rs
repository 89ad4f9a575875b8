//! Suites that others wrote for Apache Kafka, and one of ours over real clients, against a cluster of
//! real processes.
//!
//! A suite prints what became of each of its tests as the JSON lines of `go test -json`. The judge
//! compares that with the suite's list in `tests/compat`: a test that fails or skips itself without
//! being listed fails the run, and so does a listed one that passes, or that is not there at all.
//! The same is expected while storage nodes are killed and partitions move, if the options want that.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::chaos::rhythm::{self, Rhythm, Tally};
use crate::cluster::{Cluster, FrontKind, Spec};
use crate::process::Process;
use crate::root;

mod java;
mod judge;
mod kgo;
mod libtest;
mod list;
mod outcome;
mod python;
mod rdkafka;

use judge::{Run, judge};
use list::AllowList;
use outcome::{Outcome, outcomes};

/// When a suite that hangs is ended.
const SUITE_SECONDS_MAX: u64 = 3_600;
/// Lines of a test that failed unexpectedly, on the terminal; all of them are in the log.
const TAIL_LINES: usize = 15;

/// A suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// The integration tests of franz-go's `pkg/kgo`.
    Kgo,
    /// Ours, over confluent-kafka and aiokafka.
    Python,
    /// Our own over Apache Kafka's Java clients, Streams and Connect.
    Java,
    /// Our own over Apache Kafka's command-line tools.
    Cli,
    /// The integration tests of the `rdkafka` crate.
    Rdkafka,
}

impl Suite {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kgo => "kgo",
            Self::Python => "python",
            Self::Java => "java",
            Self::Cli => "cli",
            Self::Rdkafka => "rdkafka",
        }
    }

    /// What it runs, with its version.
    fn pin(self) -> &'static str {
        match self {
            Self::Kgo => kgo::MODULE,
            Self::Python => python::PIN,
            Self::Java | Self::Cli => java::MODULE,
            Self::Rdkafka => rdkafka::CRATE,
        }
    }

    fn list(self) -> Result<AllowList> {
        let path = root().join("tests/compat").join(format!("{}.allow", self.name()));
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        AllowList::parse(&text).with_context(|| format!("{}", path.display()))
    }
}

/// What to run against what.
#[derive(Debug)]
pub struct Options {
    /// Which suite.
    pub suite: Suite,
    /// The nodes' front.
    pub front: FrontKind,
    /// Records of each test that produces many.
    pub records: u32,
    /// Only tests whose name matches, in the suite's own syntax; the rest of the list is not judged.
    pub only: Option<String>,
    /// What happens to the cluster meanwhile.
    pub faults: Option<Rhythm>,
}

impl Options {
    /// The name of the result: a run with faults does not replace one without.
    pub fn result(&self) -> String {
        let faults = if self.faults.is_some() { "-faults" } else { "" };
        format!("compat-{}{faults}", self.suite.name())
    }
}

/// A suite's result file, and what is wrong.
#[derive(Debug)]
pub struct Report {
    /// The result file.
    pub json: Value,
    /// Nothing for a good run.
    pub wrong: Vec<String>,
}

/// Runs a suite against a cluster of its own.
pub fn run(dir: &Path, options: &Options) -> Result<Report> {
    let list = options.suite.list()?;
    // Before the cluster, which would only wait for it.
    let program = match options.suite {
        Suite::Kgo => kgo::build(&scratch(options.suite))?,
        Suite::Python => python::program(),
        Suite::Java | Suite::Cli => java::build(&scratch(Suite::Java))?,
        Suite::Rdkafka => rdkafka::build(&scratch(options.suite))?,
    };
    let spec = Spec {
        gateways: 3,
        front: options.front,
        // A batch is at most a sixteenth of it, and the suites have topics that allow 10 MiB.
        wal_size: "256MiB".to_owned(),
        compactor: Some(String::new()),
        control_lines: control_lines(options),
        gateway_tables: gateway_tables(options.suite),
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir, &spec)?;
    eprintln!("compat: {} at {}", options.suite.pin(), cluster.bootstrap());
    let bootstrap = cluster.bootstrap();
    // Who names a test gets it.
    let omitted = if options.only.is_some() { Vec::new() } else { list.omitted() };
    let command = match options.suite {
        Suite::Kgo => kgo::against(program, &bootstrap, options, &omitted),
        Suite::Python => python::against(&program, &bootstrap, options),
        Suite::Java => {
            java::against(java::Main::Clients, &program, &bootstrap, options, &omitted, dir)
        }
        Suite::Cli => {
            java::against(java::Main::Tools, &program, &bootstrap, options, &omitted, dir)
        }
        Suite::Rdkafka => rdkafka::against(&program, &bootstrap, options, &omitted),
    };
    let started = Instant::now();
    let mut suite = Process::spawn(options.suite.name(), command, dir)?;
    let done = wait_for(&mut suite, &mut cluster, options.faults)?;
    let log = match options.suite {
        Suite::Rdkafka => libtest::as_events(&suite.log()),
        Suite::Kgo | Suite::Python | Suite::Java | Suite::Cli => suite.log(),
    };
    let found = outcomes(&log);
    ensure!(!found.is_empty(), "no test ran:\n{log}");
    let run = Run { part: options.only.is_some(), faults: options.faults.is_some() };
    let wrong = judge(&list, &found, run);
    for test in wrong.iter().filter_map(|wrong| wrong.failed.as_deref()) {
        eprintln!("--- {test} ---\n{}", outcome::tail_of(&log, test, TAIL_LINES));
    }
    let wrong: Vec<String> = wrong.into_iter().map(|wrong| wrong.text).collect();
    let json = json!({
        "suite": options.suite.pin(),
        "front": options.front.name(),
        "seconds": started.elapsed().as_secs_f64(),
        "passed": count(&found, Outcome::Pass),
        "failed": count(&found, Outcome::Fail),
        "skipped": count(&found, Outcome::Skip),
        "omitted": list.omitted(),
        "kills": done.kills,
        "moves": done.moves,
        "wrong": wrong,
    });
    Ok(Report { json, wrong })
}

/// The tools make access control entries, as a super user of a cluster that enforces them.
fn gateway_tables(suite: Suite) -> String {
    match suite {
        Suite::Cli => {
            "[gateway.authorisation]\nenabled = true\nsuper_users = [\"User:ANONYMOUS\"]\n"
                .to_owned()
        }
        Suite::Kgo | Suite::Python | Suite::Java | Suite::Rdkafka => String::new(),
    }
}

/// Waits until the suite has ended; what was done to the cluster meanwhile.
///
/// The suite's exit code says less than what it printed: it is 1 when a listed test failed.
fn wait_for(suite: &mut Process, cluster: &mut Cluster, faults: Option<Rhythm>) -> Result<Tally> {
    let most = Duration::from_secs(SUITE_SECONDS_MAX);
    let Some(rhythm) = faults else {
        return suite.wait_exit_within(most).map(|_| Tally::default());
    };
    let started = Instant::now();
    rhythm.run(cluster, || {
        ensure!(started.elapsed() < most, "the suite does not end");
        Ok(!suite.has_ended())
    })
}

/// What the suite and the faults want of control.
fn control_lines(options: &Options) -> String {
    let of_suite = match options.suite {
        Suite::Rdkafka => rdkafka::CONTROL_LINES,
        Suite::Kgo | Suite::Python | Suite::Java | Suite::Cli => "",
    };
    let of_faults = if options.faults.is_some() { rhythm::CONTROL } else { "" };
    of_suite.to_owned() + of_faults
}

fn count(found: &BTreeMap<String, Outcome>, outcome: Outcome) -> usize {
    found.values().filter(|found| **found == outcome).count()
}

/// Where a suite is built.
fn scratch(suite: Suite) -> PathBuf {
    root().join("target/compat").join(suite.name())
}

/// What a command prints, if it succeeds.
fn output_of(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {out}\n{error}");
    Ok(out)
}
