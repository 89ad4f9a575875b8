//! Runs seeds, each in a process of its own: `SIM_SEEDS` of them from `SIM_FIRST_SEED` on.
//!
//! A seed that fails is printed with the command that runs it again and shows all of it.

use std::ops::Range;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

/// Seeds of a run that nobody asked for in particular: a smoke test.
const SEEDS: u64 = 4;
/// Seeds that are run twice.
const META_SEEDS: Range<u64> = 1..4;
/// Failures that are shown in full.
const SHOWN_MAX: usize = 3;

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

fn simulate(seed: u64) -> Output {
    Command::new(env!("CARGO_BIN_EXE_thermocline-sim"))
        .arg(seed.to_string())
        .stderr(Stdio::piped())
        .output()
        .expect("the simulation starts")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs `work` for each seed, on as many processors as there are.
fn each(seeds: Range<u64>, work: impl Fn(u64) -> Option<String> + Send + Sync) -> Vec<String> {
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    let parallel = thread::available_parallelism().map_or(1, |count| count.get());
    thread::scope(|scope| {
        for _ in 0..parallel {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    // Not in one line: the lock would be held while it works.
                    let failure = work(seed);
                    failures.lock().extend(failure);
                }
            });
        }
    });
    failures.into_inner()
}

fn assert_none(failures: &[String], of: u64) {
    let shown = failures[..failures.len().min(SHOWN_MAX)].join("\n");
    assert!(failures.is_empty(), "{shown}\n{} of {of} seeds failed", failures.len());
}

#[test]
fn no_seed_shows_an_anomaly() {
    let first = number("SIM_FIRST_SEED", 1);
    let count = number("SIM_SEEDS", SEEDS);
    let failures = each(first..first + count, |seed| {
        let output = simulate(seed);
        (!output.status.success()).then(|| {
            let again = format!("cargo run -p thermocline-sim -- {seed} --echo");
            format!("{}\nagain: {again}", text(&output))
        })
    });
    assert_none(&failures, count);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let failures = each(META_SEEDS, |seed| {
        let (first, second) = (simulate(seed), simulate(seed));
        let same = first.stdout == second.stdout;
        (!same).then(|| format!("{}\n{}", text(&first), text(&second)))
    });
    assert_none(&failures, META_SEEDS.end - META_SEEDS.start);
}
