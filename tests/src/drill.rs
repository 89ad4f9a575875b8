//! Operations drills: the worst day, on purpose.
//!
//! `standby`, `loss` and `rolling` are in modules of their own.
//!
//! `rebuild`: etcd dies under load and its data is gone. `thermocline rebuild --from-bucket` fills an
//! empty one, every process notices that and ends, a supervisor starts it again, and every topic,
//! partition, record and committed offset must be there.
//!
//! [`dns()`]: every gateway that the clients' name stands for dies.

mod dns;
mod loss;
mod rolling;
mod standby;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use process::Clock;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clients::{python, run_python};
use crate::cluster::{Cluster, FrontKind, Spec};
use crate::process::Process;

pub use self::dns::dns;
pub use self::loss::loss;
pub use self::rolling::{Upgrade, rolling};
pub use self::standby::standby;

/// Records a second while etcd is gone: every partition gets one about once a second.
const RATE: &str = "1000";
/// Of each record.
const RECORD_BYTES: &str = "216";
/// How long the cluster works before, and without, its metadata.
const CALM: Duration = Duration::from_secs(5);
/// When a process that did not notice the rebuild, or does not come back, fails the drill.
const RETURN_SECONDS: u64 = 180;

/// How much there is to bring back.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Topics, each with a group.
    pub topics: u32,
    /// Partitions of each.
    pub partitions: u32,
}

/// A drill's result file, and what is wrong.
#[derive(Debug)]
pub struct Outcome {
    /// The result file.
    pub json: Value,
    /// Nothing for a drill that went well.
    pub wrong: Vec<String>,
}

/// Loses etcd's data under load and brings it back from the bucket.
pub fn rebuild(dir: &Path, front: FrontKind, size: Size) -> Result<Outcome> {
    let mut cluster = Cluster::start(dir, &Spec { readers: 1, front, ..Spec::default() })?;
    let clients = Clients::of(dir, cluster.bootstrap(), size);
    clients.run(&["create"], &[&clients.partitions])?;
    clients.run(&["commit"], &[&clients.offsets.display().to_string()])?;
    let mut load = clients.load(RATE, RECORD_BYTES)?;
    sleep(CALM);
    eprintln!("{} partitions under load; etcd loses everything", size.topics * size.partitions);
    let lost_ms = Clock::system().now_ms();
    cluster.etcd.kill();
    cluster.etcd.wipe()?;
    sleep(CALM);
    cluster.etcd.start_again()?;

    let started = Instant::now();
    let summary = cluster.rebuild()?;
    let rebuilt = started.elapsed();
    eprintln!("{}in {rebuilt:.1?}", summary.trim_end());
    bring_back(&mut cluster)?;
    clients.run(&["touch"], &[&clients.partitions])?;
    let recovered = started.elapsed();
    eprintln!("every partition takes records {recovered:.1?} after the rebuild began");
    sleep(CALM);
    load.finish(Duration::from_secs(400)).context("the load ends")?;
    let mut outcome = judge(&cluster, &clients, &load, lost_ms, [rebuilt, recovered])?;
    outcome.json["front"] = front.name().into();
    Ok(outcome)
}

/// As a supervisor: starts again what ended by itself, until everything has come back.
fn bring_back(cluster: &mut Cluster) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(RETURN_SECONDS);
    loop {
        for role in cluster.roles() {
            if role.reap() {
                role.spawn()?;
            }
        }
        if cluster.roles().all(|role| role.starts() > 1) {
            break;
        }
        anyhow::ensure!(Instant::now() < deadline, "not every process noticed the rebuild");
        sleep(Duration::from_millis(50));
    }
    while let Some(role) = cluster.roles().find(|role| !role.is_ready()) {
        if role.reap() {
            role.spawn()?;
        }
        anyhow::ensure!(Instant::now() < deadline, "not every process came back");
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn judge(
    cluster: &Cluster,
    clients: &Clients,
    load: &Process,
    lost_ms: i64,
    [rebuilt, recovered]: [Duration; 2],
) -> Result<Outcome> {
    let mut outcome = judge_records(cluster, clients, load)?;
    let json = &mut outcome.json;
    json["seconds"] = recovered.as_secs_f64().into();
    json["rebuild_seconds"] = rebuilt.as_secs_f64().into();
    json["kills"] = 1.into();
    json["first_ack_ms"] = silences(&clients.acks, lost_ms)?;
    Ok(outcome)
}

/// Compares what the cluster holds with what its clients know.
fn judge_records(cluster: &Cluster, clients: &Clients, load: &Process) -> Result<Outcome> {
    let sent = load.log();
    let sent: Value = serde_json::from_str(sent.lines().last().unwrap_or_default())?;
    let log = clients.acks.display().to_string();
    let found = clients.run(&["verify"], &[&clients.partitions, &log])?;
    let found: Value = serde_json::from_str(&found)?;
    let groups = clients.run(&["groups"], &[&clients.offsets.display().to_string()])?;
    let scrub = cluster.scrub_findings()?;
    let mut wrong: Vec<String> = ["lost", "moved", "duplicated", "reordered", "offset_gaps"]
        .iter()
        .filter(|class| found[**class] != 0)
        .map(|class| format!("{} {class}", found[*class]))
        .collect();
    let expected = format!("{} 0", clients.topics);
    if groups != expected {
        wrong.push(format!("groups with their offsets: `{groups}`, expected `{expected}`"));
    }
    if sent["left"] != 0 || sent["failed"] != json!([]) {
        wrong.push(format!("the producer gave records up: {sent}"));
    }
    wrong.extend(scrub.iter().map(|finding| format!("scrub: {finding}")));
    let mut json = json!({
        "groups": groups,
        "scrub_findings": scrub.len(),
        "client_errors": sent["failed"],
        "wrong": wrong,
    });
    for (key, value) in found.as_object().context("an object")? {
        json[key] = value.clone();
    }
    Ok(Outcome { json, wrong })
}

/// The longest time without an acknowledgement since etcd was lost, over all partitions.
fn silences(acks: &Path, since_ms: i64) -> Result<Value> {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in fs::read_to_string(acks)?.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [topic, partition, .., ms] = words.as_slice() else { continue };
        times.entry(format!("{topic} {partition}")).or_default().push(ms.parse()?);
    }
    let longest = times.values_mut().map(|times| {
        times.retain(|time| *time >= since_ms);
        times.push(since_ms);
        times.sort_unstable();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    });
    Ok(crate::times::json(longest.collect()))
}

/// The drill's clients, and where they write down what they know.
struct Clients {
    dir: PathBuf,
    bootstrap: String,
    topics: String,
    partitions: String,
    acks: PathBuf,
    offsets: PathBuf,
}

impl Clients {
    fn of(dir: &Path, bootstrap: String, size: Size) -> Self {
        let (topics, partitions) = (size.topics.to_string(), size.partitions.to_string());
        let (acks, offsets) = (dir.join("acks"), dir.join("offsets"));
        Self { dir: dir.to_owned(), bootstrap, topics, partitions, acks, offsets }
    }

    fn run(&self, command: &[&str], args: &[&str]) -> Result<String> {
        let common = [self.bootstrap.as_str(), &self.topics];
        run_python("drill.py", &[command, &common, args].concat())
    }

    /// Of all topics.
    fn partition_count(&self) -> Result<u64> {
        Ok(self.topics.parse::<u64>()? * self.partitions.parse::<u64>()?)
    }

    fn load(&self, rate: &str, bytes: &str) -> Result<Process> {
        let acks = self.acks.display().to_string();
        let args = ["load", &self.bootstrap, &self.topics, &self.partitions, rate, &acks, bytes];
        Process::spawn("load", python("drill.py", &args)?, &self.dir)
    }
}
