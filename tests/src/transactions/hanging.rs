//! A transaction that hangs cannot be (KIP-890, T6): whatever clients do while nodes are killed and
//! partitions move, with all of them gone every partition becomes stable to its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::attacks::{Attack, Outcome, Scene, TIMEOUT};
use super::raw_producer::Speaks;
use super::settled::settle;
use super::{Options, Report, read_values, weather};
use crate::clients::Client;
use crate::cluster::Cluster;

const TOPIC: &str = "hanging";
const PARTITIONS: u32 = 6;
/// Attackers at a time. Most of them wait most of the time.
const ATTACKERS: u64 = 8;

/// What the attackers saw.
#[derive(Debug, Default)]
struct Seen {
    outcomes: BTreeMap<(Attack, Outcome), u64>,
    /// Steps that were not answered, or not well.
    interrupted: u64,
    /// Groups whose offsets were left open.
    groups: Vec<String>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        for (key, count) in other.outcomes {
            *self.outcomes.entry(key).or_default() += count;
        }
        self.interrupted += other.interrupted;
        self.groups.extend(other.groups);
    }

    fn count(&self, wanted: impl Fn(Attack, Outcome) -> bool) -> u64 {
        let of = self.outcomes.iter().filter(|((attack, outcome), _)| wanted(*attack, *outcome));
        of.map(|(_, count)| count).sum()
    }
}

pub(super) fn run(dir: &Path, options: &Options) -> Result<Report> {
    let mut cluster = Cluster::start(dir, &options.spec())?;
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS)?;
    let stop = Arc::new(AtomicBool::new(false));
    let attackers: Vec<JoinHandle<Seen>> = (0..ATTACKERS)
        .map(|number| {
            let (bootstrap, stop) = (bootstrap.clone(), Arc::clone(&stop));
            let chance = StdRng::seed_from_u64(options.rhythm.seed.wrapping_add(number));
            thread::spawn(move || attack(&bootstrap, number, chance, &stop))
        })
        .collect();
    let done = weather(&mut cluster, options, || Ok(()));
    stop.store(true, Ordering::Relaxed);
    let mut seen = Seen::default();
    for attacker in attackers {
        seen.add(attacker.join().expect("an attacker does not panic"));
    }
    let done = done?;
    let (open, took) = settle(&bootstrap, TOPIC, &seen.groups, TIMEOUT)?;
    let mut wrong: Vec<String> = open.iter().map(|open| format!("hangs: {open}")).collect();
    for ((attack, _), count) in
        seen.outcomes.iter().filter(|((_, outcome), _)| *outcome == Outcome::Accepted)
    {
        wrong.push(format!("{count} x {attack:?} was accepted"));
    }
    let visible = read_values(&bootstrap, TOPIC, "read_committed")?;
    let late = visible.iter().filter(|value| value.starts_with("refused")).count();
    if late > 0 {
        wrong.push(format!("{late} records that were refused are visible"));
    }
    // Without any of these the run has shown nothing.
    for attack in Attack::ALL {
        if seen.count(|of, outcome| of == attack && outcome == Outcome::Withstood) == 0 {
            wrong.push(format!("no {attack:?} was carried out"));
        }
    }
    wrong.extend(cluster.scrub_findings()?);
    let attacks: BTreeMap<String, u64> = seen
        .outcomes
        .iter()
        .map(|((attack, how), n)| (format!("{attack:?} {how:?}"), *n))
        .collect();
    let json = json!({
        "attacks": attacks,
        "interrupted": seen.interrupted,
        "visible": visible.len(),
        "groups": seen.groups.len(),
        "hanging": open.len(),
        "settled_seconds": took.as_secs_f64(),
    });
    Ok(Report::new(options, done, json, wrong))
}

/// One attack after the other.
fn attack(bootstrap: &str, number: u64, mut chance: StdRng, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let attack = Attack::ALL[chance.random_range(0..Attack::ALL.len())];
        let speaks = if chance.random_bool(0.5) { Speaks::Old } else { Speaks::New };
        let id = format!("attacker-{number}-{turn}");
        if attack == Attack::OffsetsLeftOpen {
            seen.groups.push(id.clone());
        }
        let scene = Scene { bootstrap, topic: TOPIC, partitions: PARTITIONS, id };
        match scene.play(attack, speaks, &mut chance) {
            Ok(outcome) => {
                *seen.outcomes.entry((attack, outcome)).or_default() += 1;
                if outcome == Outcome::Accepted {
                    eprintln!("{} {speaks:?} {attack:?} was accepted", scene.id);
                }
            }
            Err(error) => {
                eprintln!("{} {speaks:?} {attack:?}: {error:#}", scene.id);
                seen.interrupted += 1;
            }
        }
    }
    seen
}
