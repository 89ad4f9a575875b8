//! Runs one seed in a process of its own, because a run's random source is its process's:
//! `thermocline-sim SEED [--echo]`. Prints one line about the run, and why it failed if it did.

use std::process::ExitCode;

use mad_turmoil::rand::{get_rng, set_rng};
use mad_turmoil::time::SimClocksGuard;
use thermocline_sim::panics;
use thermocline_sim::run::run;
use thermocline_sim::trace::{Trace, TraceLayer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(seed) = arguments.next().and_then(|seed| seed.parse().ok()) else {
        eprintln!("usage: thermocline-sim SEED [--echo]");
        return ExitCode::from(64);
    };
    let trace = Trace::default();
    if arguments.any(|argument| argument == "--echo") {
        trace.echo();
    }
    panics::watch();
    tracing_subscriber::registry().with(TraceLayer(trace.clone())).init();
    seed_everything(seed);
    let clocks = SimClocksGuard::init();
    let outcome = run(seed, trace.clone());
    drop(clocks);
    report(seed, &outcome, &trace)
}

/// Whoever asks the C library for random bytes gets them from the seed: hash maps, UUIDs and
/// tokio's choice among ready branches.
fn seed_everything(seed: u64) {
    use mad_turmoil_rand::{SeedableRng as _, rngs::StdRng};
    set_rng(StdRng::seed_from_u64(seed));
    drop(get_rng());
}

#[expect(clippy::print_stdout, reason = "the report is this command's output")]
fn report(seed: u64, outcome: &thermocline_sim::run::Outcome, trace: &Trace) -> ExitCode {
    println!(
        "seed {seed}: {} of {} batches acknowledged, {} claims, {:.1} simulated s, trace {:016x} of {} lines",
        outcome.acked,
        outcome.sent,
        outcome.claims,
        outcome.elapsed.as_secs_f64(),
        outcome.digest,
        outcome.lines,
    );
    if outcome.violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    for line in trace.tail() {
        println!("  {line}");
    }
    for violation in &outcome.violations {
        println!("VIOLATION seed {seed}: {violation}");
    }
    ExitCode::FAILURE
}
