//! `standby`: two sites on one bucket lose each other, one after the other.
//!
//! ```text
//! a serves, b stands by
//!   a is paused whole ──► b is promoted ──► a is resumed: acknowledges nothing, ends by itself
//!   a is demoted, stands by
//!   b is killed whole ──► a is promoted ──► b is started: acknowledges nothing, ends by itself
//! ```
//!
//! A producer works through all of it. It is given the gateways of both sites, where clients would be
//! given one DNS name that moves. Groups committed their offsets at the beginning; others, of Java and
//! librdkafka consumers, read on at each site that serves.

mod groups;

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use process::Clock;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::Instant;

use self::groups::Groups;
use super::{CALM, Clients, Outcome, Size, judge_records, silences};
use crate::cluster::{Cluster, FrontKind, Role, Spec};

/// Bytes of a record.
const RECORD_BYTES: u32 = 1_024;
/// How long a site that was taken over is asked for acknowledgements.
const KNOCK_SECONDS: &str = "15";
/// When a process that does not notice that its site was taken over fails the drill.
const LEAVE_SECONDS: u64 = 180;

/// Loses one site while it is paused and the other by SIGKILL, and has each take over.
pub fn standby(dir: &Path, size: Size, mib_per_second: u32) -> Result<Outcome> {
    let spec = Spec { readers: 1, front: FrontKind::Object, ..Spec::default() };
    let mut a = Cluster::start(&dir.join("a"), &spec)?;
    // A site that may stand by founds nothing, so it is said after that.
    a.control.add_to_config(&site_table("a"))?;
    let mut b = a.second_site(&dir.join("b"), &Spec { control_lines: site_table("b"), ..spec })?;
    let mut clients = Clients::of(dir, a.bootstrap(), size);
    clients.run(&["create"], &[&clients.partitions])?;
    clients.run(&["commit"], &[&clients.offsets.display().to_string()])?;
    let mut groups = Groups::new(dir, &a.bootstrap())?;
    let mut wrong = groups.read(&a.bootstrap())?;
    clients.bootstrap = format!("{},{}", a.bootstrap(), b.bootstrap());
    let rate = u64::from(mib_per_second) * (1 << 20) / u64::from(RECORD_BYTES);
    let mut load = clients.load(&rate.to_string(), &RECORD_BYTES.to_string())?;
    sleep(CALM);
    eprint!("{}", b.run(&["standby", "status"])?);

    let mut knocks = Vec::new();
    let lost_ms = Clock::system().now_ms();
    a.signal(Signal::STOP)?;
    a.etcd.signal(Signal::STOP)?;
    let paused = take_over(&b, &clients, "a is paused whole")?;
    a.etcd.signal(Signal::CONT)?;
    a.signal(Signal::CONT)?;
    knocks.push(knock(&a, &clients)?);
    wrong.extend(groups.read(&b.bootstrap())?);
    wait_until_left(&mut a)?;
    eprint!("{}", a.run(&["demote"])?);
    a.start_standby()?;
    sleep(CALM);

    for role in b.roles() {
        role.kill();
    }
    b.etcd.kill();
    let killed = take_over(&a, &clients, "b is killed whole")?;
    wrong.extend(groups.read(&a.bootstrap())?);
    b.etcd.start_again()?;
    b.roles().try_for_each(Role::spawn)?;
    knocks.push(knock(&b, &clients)?);
    wait_until_left(&mut b)?;
    sleep(CALM);
    load.finish(Duration::from_secs(400)).context("the load ends")?;

    clients.bootstrap = a.bootstrap();
    let mut outcome = judge_records(&a, &clients, &load)?;
    outcome.wrong.extend(wrong);
    for (site, acked) in ["a", "b"].iter().zip(&knocks).filter(|(_, acked)| *acked != "0") {
        outcome.wrong.push(format!("site {site} acknowledged {acked} records after its takeover"));
    }
    let json = &mut outcome.json;
    json["seconds"] = killed.as_secs_f64().max(paused.as_secs_f64()).into();
    json["served_after_seconds"] =
        json!({"paused": paused.as_secs_f64(), "killed": killed.as_secs_f64()});
    json["mib_per_second"] = mib_per_second.into();
    json["kills"] = 2.into();
    json["first_ack_ms"] = silences(&clients.acks, lost_ms)?;
    json["acknowledged_afterwards"] = json!(knocks);
    json["wrong"] = json!(outcome.wrong);
    Ok(outcome)
}

/// What a site's control is told, for it to stand by.
pub(super) fn site_table(site: &str) -> String {
    format!("[control.standby]\nsite = \"{site}\"\n")
}

/// Promotes the site whose other one is gone; how long until all of its partitions take records.
fn take_over(site: &Cluster, clients: &Clients, what: &str) -> Result<Duration> {
    let began = Instant::now();
    eprintln!("{what}");
    eprint!("{}", site.run(&["promote"])?);
    let promoted = began.elapsed();
    let bootstrap = site.bootstrap();
    let own = [bootstrap.as_str(), &clients.topics, &clients.partitions];
    crate::clients::run_python("drill.py", &[&["touch"], own.as_slice()].concat())?;
    let served = began.elapsed();
    eprintln!("promoted after {promoted:.1?}, every partition takes records after {served:.1?}");
    Ok(served)
}

/// How many records a site that was taken over acknowledges, as its clients see it.
fn knock(site: &Cluster, clients: &Clients) -> Result<String> {
    let bootstrap = site.bootstrap();
    let args = ["knock", &bootstrap, &clients.topics, &clients.partitions, KNOCK_SECONDS];
    let acked = crate::clients::run_python("drill.py", &args)?;
    eprintln!("it acknowledges {acked} records");
    Ok(acked)
}

/// Every process of a site that was taken over ends by itself.
fn wait_until_left(site: &mut Cluster) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(LEAVE_SECONDS);
    loop {
        let up = site.roles().filter_map(|role| {
            role.reap();
            role.process().is_some().then(|| role.name().to_owned())
        });
        let up: Vec<String> = up.collect();
        if up.is_empty() {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "still up after the takeover: {up:?}");
        sleep(Duration::from_millis(100));
    }
}
