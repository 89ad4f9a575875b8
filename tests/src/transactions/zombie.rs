//! Zombies: producers whose frames are held back by a proxy while others take their transactional ids.
//! What arrives late is fenced, nothing of it is ever visible, and it does not act on a later
//! transaction (T7, T8).
//!
//! ```text
//! zombie     begin, write ──► open │ late frame ─────────────────► held ────► delivered: refused
//! successor                        │ takes the id, commits, begins ────────── aborts, commits
//! ```

use std::fs;
use std::path::Path;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use protocol::messages::ApiKey;
use serde_json::json;

use super::raw_producer::{RawProducer, Speaks};
use super::settled::settle;
use super::{Options, Report, read_values, weather};
use crate::clients::{Client, python};
use crate::cluster::{Cluster, Spec};
use crate::kafka_proxy::Hold;
use crate::process::Process;
use crate::raw::Raw;
use crate::wait::eventually;

const PROGRAM: &str = "zombie.py";
const PARTITIONS: u32 = 2;
/// Of librdkafka, which speaks version 1.
const KINDS: [&str; 4] = ["produce", "add", "commit", "offsets"];
/// And of a client of version 2, which adds a partition by producing to it.
const NEW_KINDS: [&str; 3] = ["new-produce", "new-add", "new-commit"];
/// The names of all zombies begin so.
const ZOMBIES: &str = "zombie";
/// What comes late.
const LATE: [ApiKey; 5] = [
    ApiKey::Produce,
    ApiKey::AddPartitionsToTxn,
    ApiKey::AddOffsetsToTxn,
    ApiKey::TxnOffsetCommit,
    ApiKey::EndTxn,
];
/// For everything that a client does after the release.
const FINISH: Duration = Duration::from_secs(300);
/// Nobody's transaction ends by itself here.
const TIMEOUT_MS: i32 = 240_000;

/// Zombies of both versions; those of the second one with what they say at last.
struct Zombies {
    old: Vec<(&'static str, Process)>,
    new: Vec<(&'static str, JoinHandle<Result<String>>)>,
}

pub(super) fn run(dir: &Path, options: &Options) -> Result<Report> {
    let spec = Spec { kafka_proxies: true, ..options.spec() };
    let mut cluster = Cluster::start(dir, &spec)?;
    let bootstrap = cluster.bootstrap();
    let go = dir.join("go");
    for kind in KINDS.into_iter().chain(NEW_KINDS) {
        Client::Python.create_topic(&bootstrap, &topic(kind), PARTITIONS)?;
    }
    let mut zombies = begin(dir, &bootstrap, &go)?;
    let proxies = cluster.kafka_proxies.as_ref().context("proxies")?;
    proxies.hold(Hold { clients: ZOMBIES.to_owned(), apis: LATE.to_vec() });
    fs::write(&go, "")?;
    let all = KINDS.len() + NEW_KINDS.len();
    eventually("every zombie is held back", || proxies.held() >= all as u64);

    let released = dir.join("released");
    let mut successors = succeed(dir, &bootstrap, &released)?;
    let done = weather(&mut cluster, options, || Ok(()))?;
    let proxies = cluster.kafka_proxies.as_ref().context("proxies")?;
    let held = proxies.held();
    proxies.release();
    let mut said = Vec::new();
    for (kind, zombie) in &mut zombies.old {
        zombie.wait_exit_within(FINISH)?;
        let log = zombie.log();
        // librdkafka may have said something after it.
        let verdict = |line: &&str| ["refused", "committed"].iter().any(|it| line.starts_with(it));
        said.push((*kind, log.lines().rfind(verdict).unwrap_or("nothing").to_owned()));
    }
    for (kind, zombie) in zombies.new {
        said.push((kind, zombie.join().expect("a zombie does not panic")?));
    }
    fs::write(&released, "")?;
    for successor in &mut successors {
        let status = successor.wait_exit_within(FINISH)?;
        ensure!(status.success(), "a successor: {}", successor.log());
    }
    let mut wrong = judge(&bootstrap, &said)?;
    let groups: Vec<String> = KINDS.iter().map(|kind| format!("group-{kind}")).collect();
    let (open, _) = settle(&bootstrap, &topic("offsets"), &groups, Duration::ZERO)?;
    wrong.extend(open.iter().map(|open| format!("hangs: {open}")));
    wrong.extend(cluster.scrub_findings()?);
    let said: serde_json::Map<String, serde_json::Value> =
        said.into_iter().map(|(kind, said)| (kind.to_owned(), said.into())).collect();
    Ok(Report::new(options, done, json!({ "held": held, "zombies": said }), wrong))
}

/// Starts the zombies, and waits until all of them have an open transaction.
fn begin(dir: &Path, bootstrap: &str, go: &Path) -> Result<Zombies> {
    let mut zombies = Zombies { old: Vec::new(), new: Vec::new() };
    let path = go.display().to_string();
    for kind in KINDS {
        let command = python(PROGRAM, &["zombie", bootstrap, &topic(kind), kind, kind, &path])?;
        zombies.old.push((kind, Process::spawn(&format!("zombie-{kind}"), command, dir)?));
    }
    for (_, zombie) in &mut zombies.old {
        zombie.wait_for_line("open")?;
    }
    for kind in NEW_KINDS {
        let raw = Raw::connect(bootstrap, &format!("{ZOMBIES}-{kind}"))?.patient()?;
        let topic = topic(kind);
        let mut zombie =
            RawProducer::init(raw, Speaks::New, kind, (&topic, PARTITIONS), TIMEOUT_MS)?;
        let code = zombie.produce(0, "zombie early")?;
        ensure!(code.is_none(), "{kind} cannot begin: {}", code.name());
        let go = go.to_owned();
        zombies.new.push((kind, spawn(move || say_late(zombie, kind, &go))));
    }
    Ok(zombies)
}

/// What a zombie of version 2 sends late, and what it is told.
fn say_late(mut zombie: RawProducer, kind: &str, go: &Path) -> Result<String> {
    while !go.exists() {
        sleep(Duration::from_millis(50));
    }
    let code = match kind {
        "new-produce" => zombie.produce(0, "zombie late")?,
        "new-add" => zombie.produce(1, "zombie late")?,
        _ => zombie.end(true)?,
    };
    let said =
        if code.is_none() { "committed".to_owned() } else { format!("refused {}", code.name()) };
    Ok(said)
}

/// Starts the successors, and waits until all of them have committed and begun again.
fn succeed(dir: &Path, bootstrap: &str, released: &Path) -> Result<Vec<Process>> {
    let path = released.display().to_string();
    let start = |kind: &str| {
        let command = python(PROGRAM, &["successor", bootstrap, &topic(kind), kind, &path])?;
        Process::spawn(&format!("successor-{kind}"), command, dir)
    };
    let successors = KINDS.into_iter().chain(NEW_KINDS).map(start);
    let mut successors = successors.collect::<Result<Vec<_>>>()?;
    for successor in &mut successors {
        successor.wait_for_line("open")?;
    }
    Ok(successors)
}

/// Every zombie is refused; only what its successor committed is there, and nothing that came late is,
/// whoever looks.
fn judge(bootstrap: &str, said: &[(&str, String)]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (kind, said) in said {
        if !said.starts_with("refused") {
            wrong.push(format!("the zombie of {kind} says: {said}"));
        }
        let committed = read_values(bootstrap, &topic(kind), "read_committed")?;
        if committed != ["successor 1", "successor 2"] {
            wrong.push(format!("{kind}: {committed:?} at read_committed"));
        }
        let all = read_values(bootstrap, &topic(kind), "read_uncommitted")?;
        if all.iter().any(|value| value == "zombie late") {
            wrong.push(format!("{kind}: {all:?} at read_uncommitted"));
        }
        if !all.iter().any(|value| value == "zombie early") {
            wrong.push(format!("{kind}: there was no zombie: {all:?}"));
        }
    }
    Ok(wrong)
}

fn topic(kind: &str) -> String {
    format!("zombie-{kind}")
}
