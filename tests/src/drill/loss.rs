//! `standby` with disk fronts: a site goes with its disks, and the other one goes on without what was
//! on them only. What is lost must be exactly what the promotion names, and no offset of it may be
//! used again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::Instant;

use super::standby::site_table;
use super::{CALM, Clients, Outcome, Size, judge_records};
use crate::cluster::{Cluster, FrontKind, Spec};

/// Records a second: some seconds of them are not uploaded when the site goes.
const RATE: &str = "2000";
const RECORD_BYTES: &str = "216";

/// The first offset that a partition may have lost, by topic and partition.
type Lost = BTreeMap<(String, i64), i64>;

/// Loses a site whose nodes have records on their disks.
pub fn loss(dir: &Path, front: FrontKind, size: Size) -> Result<Outcome> {
    let spec = Spec { readers: 1, front, ..Spec::default() };
    let mut a = Cluster::start(&dir.join("a"), &spec)?;
    let b = a.second_site(&dir.join("b"), &Spec { control_lines: site_table("b"), ..spec })?;
    let mut clients = Clients::of(dir, a.bootstrap(), size);
    clients.run(&["create"], &[&clients.partitions])?;
    clients.run(&["commit"], &[&clients.offsets.display().to_string()])?;
    let mut load = clients.load(RATE, RECORD_BYTES)?;
    sleep(CALM * 2);
    load.finish(Duration::from_secs(60)).context("the load ends")?;
    for role in a.roles() {
        role.kill();
    }
    a.etcd.kill();

    let status = b.admin(&["standby", "status"])?;
    let lost = named(&status)?;
    let refused = b.run(&["promote"]);
    let refused = refused.err().context("a promotion that loses something is refused")?;
    anyhow::ensure!(refused.to_string().contains("at risk: "), "{refused}");
    let began = Instant::now();
    eprint!("{}", b.run(&["promote", "--accept-loss"])?);
    clients.bootstrap = b.bootstrap();
    clients.run(&["touch"], &[&clients.partitions])?;
    let served = began.elapsed();
    sleep(CALM);

    let expected = count(&clients.acks, &lost)?;
    let mut outcome = judge_records(&b, &clients, &load)?;
    let found = [&outcome.json["lost"], &outcome.json["offset_gaps"]].map(|it| it.as_u64());
    // Every partition of a lost log skips the offsets that it may have used.
    let gaps = clients.partition_count()?;
    outcome.wrong.retain(|wrong| !wrong.ends_with(" lost") && !wrong.ends_with(" offset_gaps"));
    if found != [Some(expected), Some(gaps)] {
        outcome.wrong.push(format!("lost and gaps: {found:?}, named {expected} and {gaps}"));
    }
    if expected == 0 {
        outcome.wrong.push("nothing was lost: the drill shows nothing".to_owned());
    }
    let json = &mut outcome.json;
    json["front"] = front.name().into();
    json["seconds"] = served.as_secs_f64().into();
    json["kills"] = 1.into();
    json["named"] = expected.into();
    json["wrong"] = outcome.wrong.clone().into();
    Ok(outcome)
}

/// What the standby says would be lost.
fn named(status: &Value) -> Result<Lost> {
    let logs = status["at_risk"].as_array().context("logs at risk")?;
    let partitions = logs.iter().filter_map(|log| log["partitions"].as_array()).flatten();
    let named = partitions.map(|risk| {
        let topic = risk["topic"].as_str()?.to_owned();
        Some(((topic, risk["partition"].as_i64()?), risk["stored_upto"].as_i64()?))
    });
    named.collect::<Option<Lost>>().context("a topic, a partition and an offset of each")
}

/// How many acknowledged records that is.
fn count(acks: &Path, lost: &Lost) -> Result<u64> {
    let mut count = 0;
    for line in fs::read_to_string(acks)?.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [topic, partition, offset, ..] = words.as_slice() else { continue };
        let from = lost.get(&((*topic).to_owned(), partition.parse()?));
        count +=
            u64::from(from.is_some_and(|from| offset.parse::<i64>().is_ok_and(|at| at >= *from)));
    }
    Ok(count)
}
