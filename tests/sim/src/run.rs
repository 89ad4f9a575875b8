//! One run: load under faults, then heal, finish, read everything, scrub, and judge.
//!
//! ```text
//! 0 s ─── load and faults ─── heal ─── clients finish ─── audit ─── verdict
//!                              │           60 s at most     60 s at most
//! ```

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use segment::Store;
use segment::scrub::{ScrubOptions, scrub};
use turmoil::{Builder, Sim};

use crate::checker::{self, Anomaly, Class};
use crate::history::Event;
use crate::mover;
use crate::nemesis::Nemesis;
use crate::scenario::Scenario;
use crate::trace::Trace;
use crate::workload::{Load, probe, read_all, read_committed, read_group, read_offsets};
use crate::world::{RESTART_PAUSE, World};

/// One step of simulated time: messages arrive at the end of one. Each step has every host run, so
/// that finer ones make a run take longer in proportion.
const TICK: Duration = Duration::from_millis(2);
/// After everything is healed, clients know what became of their work within this time.
const RECOVERY: Duration = Duration::from_secs(90);
/// And everything can be read, and every partition written, within this one.
const AUDIT: Duration = Duration::from_secs(90);
/// Scrubs of a bucket in use may lag behind it; the last of these must be clean.
const SCRUBS: u32 = 3;

/// What became of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What must not have happened, in words; empty if all is well.
    pub violations: Vec<String>,
    /// The hash over the trace.
    pub digest: u64,
    /// Lines of the trace.
    pub lines: u64,
    /// Batches acknowledged.
    pub acked: usize,
    /// Batches whose outcome nobody knows, or that were refused.
    pub sent: usize,
    /// Incarnations that claimed a partition.
    pub claims: usize,
    /// How long the run took in simulated time.
    pub elapsed: Duration,
}

/// Runs a seed to its end.
pub fn run(seed: u64, trace: Trace) -> Outcome {
    let scenario = Arc::new(Scenario::of(seed));
    trace.line_at(Duration::ZERO, format_args!("{scenario:?}"));
    let mut sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(3_600))
        .epoch(std::time::UNIX_EPOCH)
        .min_message_latency(Duration::from_micros(300))
        .max_message_latency(scenario.latency_max)
        .tcp_capacity(4_096)
        .enable_random_order()
        .build();
    let world = World::build(&mut sim, Arc::clone(&scenario), trace.clone());
    let load = Load::new(Arc::clone(&scenario), trace.clone());
    load.start(&mut sim);
    mover::start(&mut sim, &world, &load);
    let mut driver = Driver { sim, world, starts: Vec::new(), failure: None };
    let mut violations = driver.drive(&load);
    let audited = violations.is_empty();
    let history = load.history.events();
    let claims = trace.claims();
    let mut judged = history.clone();
    judged.extend(claims.iter().map(|claim| Event::Claimed(claim.clone())));
    // Without the last read everything looks lost.
    let told = |anomaly: &&Anomaly| audited || anomaly.class != Class::Lost;
    violations.extend(checker::check(&judged).iter().filter(told).map(ToString::to_string));
    let (digest, lines) = trace.digest();
    let count = |wanted: fn(&&Event) -> bool| history.iter().filter(wanted).count();
    Outcome {
        violations,
        digest,
        lines,
        acked: count(|event| matches!(event, Event::Acked { .. })),
        sent: count(|event| matches!(event, Event::Sent { .. })),
        claims: claims.len(),
        elapsed: driver.sim.elapsed(),
    }
}

struct Driver<'a> {
    sim: Sim<'a>,
    world: World,
    /// Hosts that are down after their process ended by itself, and when they start again.
    starts: Vec<(Duration, String)>,
    failure: Option<String>,
}

impl Driver<'_> {
    /// The phases of a run; what went wrong besides what clients saw.
    fn drive(&mut self, load: &Load) -> Vec<String> {
        let mut nemesis = Nemesis::new(&self.world);
        let end = load.scenario.load;
        while self.sim.elapsed() < end && self.failure.is_none() {
            nemesis.act(&mut self.sim, &self.world);
            self.step();
        }
        nemesis.heal(&mut self.sim, &self.world);
        load.stop.store(true, Ordering::SeqCst);
        if !self.until(RECOVERY, || load.busy.lock().is_empty()) {
            let busy = load.busy.lock().clone();
            self.fail(format!("stuck {RECOVERY:?} after everything was healed: {busy:?}"));
        }
        if self.failure.is_none() {
            self.audit(load);
        }
        self.failure.take().into_iter().chain(crate::panics::taken()).collect()
    }

    /// Writes to and reads from every partition, and scrubs the bucket.
    fn audit(&mut self, load: &Load) {
        let done: Arc<Mutex<Option<String>>> = Arc::default();
        let (audited, auditor, bucket) =
            (Arc::clone(&done), load.clone(), self.world.bucket.contents());
        self.sim.client("auditor", async move {
            for partition in 0..auditor.scenario.partitions {
                probe(&auditor, partition).await;
            }
            read_all(&auditor).await;
            read_group(&auditor).await;
            read_committed(&auditor).await;
            read_offsets(&auditor).await;
            let report = last_scrub(&Store::over(bucket, "scrub")).await;
            *audited.lock() = Some(report);
            Ok(())
        });
        if !self.until(AUDIT, || done.lock().is_some()) {
            self.fail(format!("not everything can be written and read after {AUDIT:?}"));
        } else if let Some(report) = done.lock().take().filter(|report| !report.is_empty()) {
            self.fail(format!("scrub: {report}"));
        }
    }

    fn until(&mut self, limit: Duration, done: impl Fn() -> bool) -> bool {
        let end = self.sim.elapsed() + limit;
        while self.sim.elapsed() < end && self.failure.is_none() {
            if done() {
                return true;
            }
            self.step();
        }
        done()
    }

    /// One tick of everything, and the work of a supervisor.
    fn step(&mut self) {
        if let Err(error) = self.sim.step() {
            self.fail(format!("simulation: {error}"));
        }
        let now = self.sim.elapsed();
        for host in self.world.exits.due(now, Duration::ZERO) {
            // A process that ends takes its sockets and tasks with it.
            self.sim.crash(host.as_str());
            self.starts.push((now + RESTART_PAUSE, host));
        }
        let (due, later): (Vec<_>, Vec<_>) = self.starts.drain(..).partition(|(at, _)| *at <= now);
        self.starts = later;
        for (_, host) in due {
            if !self.sim.is_host_running(host.as_str()) {
                self.sim.bounce(host.as_str());
            }
        }
    }

    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }
}

/// The findings of a scrub, a line each. The cluster lives on meanwhile: what is really broken is
/// found each time.
async fn last_scrub(store: &Store) -> String {
    let mut text = String::new();
    for _ in 0..SCRUBS {
        text.clear();
        match scrub(store, ScrubOptions::default()).await {
            Ok(report) if report.is_clean() => return text,
            Ok(report) => {
                for finding in &report.findings {
                    writeln!(text, "{finding}").expect("a string takes everything");
                }
            }
            Err(error) => text = error.to_string(),
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    text
}
