//! Consume, transform, produce by a group whose workers are killed as well: at read_committed the copy
//! is the original, every record once and in its order (T3, T10).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::time::Instant;

use super::settled::settle;
use super::{Options, Report, weather};
use crate::clients::{Client, python, run_python};
use crate::cluster::Cluster;
use crate::process::Process;

const SOURCE: &str = "original";
const COPY: &str = "copy";
const GROUP: &str = "copiers";
const PARTITIONS: u32 = 6;
/// Records per second.
const RATE: &str = "200";
const WORKERS: usize = 3;
const PROGRAM: &str = "etl.py";
/// From one kill of a worker to the next: each is one rebalance when the session is over, and another
/// one when the worker is back.
const WORKER_KILL: Duration = Duration::from_secs(13);
/// A worker is back before its session is over, and after it, in turns.
const WORKER_BACK: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];
/// Values that are named of those that are missing, or there twice.
const EXAMPLES_MAX: usize = 10;
/// For the last records.
const FINISH: Duration = Duration::from_secs(300);
/// As in the program.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The values of each partition.
type Values = BTreeMap<String, Vec<u64>>;

/// The workers, of which one is dead now and then.
struct Workers {
    dir: PathBuf,
    bootstrap: String,
    workers: Vec<Option<Process>>,
    next_kill: Instant,
    back: Option<(Instant, usize)>,
    kills: u64,
    exits: u64,
}

impl Workers {
    fn start(dir: &Path, bootstrap: &str) -> Result<Self> {
        let mut started = Self {
            dir: dir.to_owned(),
            bootstrap: bootstrap.to_owned(),
            workers: Vec::new(),
            next_kill: Instant::now() + WORKER_KILL,
            back: None,
            kills: 0,
            exits: 0,
        };
        for number in 0..WORKERS {
            let worker = started.worker(number)?;
            started.workers.push(Some(worker));
        }
        Ok(started)
    }

    fn worker(&self, number: usize) -> Result<Process> {
        let (name, log) = (number.to_string(), self.log(number).display().to_string());
        let command = python(PROGRAM, &["work", &self.bootstrap, SOURCE, COPY, GROUP, &name, &log]);
        Process::spawn(&format!("worker-{number}"), command?, &self.dir)
    }

    fn log(&self, number: usize) -> PathBuf {
        self.dir.join(format!("worker-{number}.history"))
    }

    /// Kills who is due, starts who is due, and whoever gave up.
    fn look_after(&mut self) -> Result<()> {
        let now = Instant::now();
        if let Some((_, number)) = self.back.take_if(|(at, _)| *at <= now) {
            self.workers[number] = Some(self.worker(number)?);
        }
        for number in 0..WORKERS {
            if self.workers[number].as_mut().is_some_and(Process::has_ended) {
                eprintln!("worker {number} gave up");
                self.exits += 1;
                self.workers[number] = Some(self.worker(number)?);
            }
        }
        if now >= self.next_kill {
            self.next_kill = now + WORKER_KILL;
            let turn = usize::try_from(self.kills)?;
            eprintln!("kill worker {}", turn % WORKERS);
            self.workers[turn % WORKERS] = None;
            self.back = Some((now + WORKER_BACK[turn % 2], turn % WORKERS));
            self.kills += 1;
        }
        Ok(())
    }

    /// Workers that are there end in order; what all of them wrote down.
    fn finish(mut self) -> Result<BTreeMap<String, u64>> {
        for worker in self.workers.iter_mut().flatten() {
            worker.finish(FINISH)?;
        }
        let mut tally = BTreeMap::new();
        for number in 0..WORKERS {
            // One that was killed in the middle of a line has not ended it.
            for line in fs::read_to_string(self.log(number)).unwrap_or_default().lines() {
                let what = match line.split_once(' ') {
                    Some(("committed", _)) => "committed",
                    _ => line,
                };
                *tally.entry(what.to_owned()).or_default() += 1;
            }
        }
        Ok(tally)
    }
}

pub(super) fn run(dir: &Path, options: &Options) -> Result<Report> {
    let mut cluster = Cluster::start(dir, &options.spec())?;
    let bootstrap = cluster.bootstrap();
    for topic in [SOURCE, COPY] {
        Client::Python.create_topic(&bootstrap, topic, PARTITIONS)?;
    }
    let partitions = PARTITIONS.to_string();
    let command = python(PROGRAM, &["fill", &bootstrap, SOURCE, &partitions, RATE])?;
    let mut filler = Process::spawn("filler", command, dir)?;
    let mut workers = Workers::start(dir, &bootstrap)?;
    let done = weather(&mut cluster, options, || workers.look_after())?;
    filler.finish(FINISH)?;
    let filled: u64 = filler.log().lines().last().unwrap_or_default().parse()?;
    eprintln!("healed; waiting for the rest of {filled} records");
    // Whoever was killed last comes back, or the others wait for it.
    let end = run_python(PROGRAM, &["await", &bootstrap, SOURCE, GROUP]);
    let (kills, exits) = (workers.kills, workers.exits);
    let tally = workers.finish()?;
    let groups = [GROUP.to_owned()];
    let (open, took) = settle(&bootstrap, SOURCE, &groups, TRANSACTION_TIMEOUT)?;
    let (original, copied) = (dump(&bootstrap, SOURCE)?, dump(&bootstrap, COPY)?);
    let mut wrong = compare(&original, &copied);
    wrong.extend(end.err().map(|error| format!("{error:#}")));
    wrong.extend(open.iter().map(|open| format!("hangs: {open}")));
    wrong.extend(cluster.scrub_findings()?);
    let read: usize = original.values().map(Vec::len).sum();
    if read as u64 != filled {
        wrong.push(format!("{filled} records were written, {read} are there"));
    }
    let committed = tally.get("committed").copied().unwrap_or_default();
    if committed == 0 || tally.len() == 1 {
        wrong.push("too little happened".to_owned());
    }
    let json = json!({
        "records": filled,
        "transactions": tally,
        "worker_kills": kills,
        "worker_exits": exits,
        "hanging": open.len(),
        "settled_seconds": took.as_secs_f64(),
    });
    Ok(Report::new(options, done, json, wrong))
}

fn dump(bootstrap: &str, topic: &str) -> Result<Values> {
    let values = run_python(PROGRAM, &["dump", bootstrap, topic])?;
    serde_json::from_str(&values).context("values")
}

/// How a copy differs from its original, partition by partition.
fn compare(original: &Values, copied: &Values) -> Vec<String> {
    let mut wrong = Vec::new();
    for (partition, wanted) in original {
        let found = copied.get(partition).map_or(&[][..], Vec::as_slice);
        if found == wanted {
            continue;
        }
        let count = |values: &[u64]| {
            let mut counts = BTreeMap::new();
            values.iter().for_each(|value| *counts.entry(*value).or_insert(0_u32) += 1);
            counts
        };
        let (had, has) = (count(wanted), count(found));
        let missing = had.keys().filter(|value| !has.contains_key(value));
        let missing: Vec<_> = missing.take(EXAMPLES_MAX).collect();
        let twice: Vec<_> =
            has.iter().filter(|(_, times)| **times > 1).take(EXAMPLES_MAX).collect();
        wrong.push(format!(
            "partition {partition}: {} instead of {} records; missing {missing:?}, twice {twice:?}",
            found.len(),
            wanted.len()
        ));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Values {
        BTreeMap::from([("0".to_owned(), values.to_vec())])
    }

    #[test]
    fn a_copy_is_the_original_or_something_is_wrong() {
        assert_eq!(compare(&of(&[1, 2, 3]), &of(&[1, 2, 3])), Vec::<String>::new());
        for bad in [&[1, 3][..], &[1, 2, 2, 3], &[1, 3, 2], &[]] {
            assert_eq!(compare(&of(&[1, 2, 3]), &of(bad)).len(), 1, "{bad:?}");
        }
        let missing = &compare(&of(&[1, 2, 3]), &of(&[1, 3, 3]))[0];
        assert!(missing.contains("missing [2], twice [(3, 2)]"), "{missing}");
    }
}
