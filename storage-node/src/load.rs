//! What this node and each of its partitions do, as control is told once a second.
//!
//! ```text
//! produce, fetch ──count──► [`Counters`] of the partition ──once a second──► [`Meter`] ──► control
//! ```
//!
//! Rates are smoothed: a balance that follows every burst moves partitions for nothing. And a
//! partition is not spoken of before it was watched for a few seconds: after a move what control
//! knows of it is better than what its new node has seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hop::internal::{DescribeLoadResponse, TopicLoad, Traffic};
use parking_lot::Mutex;
use process::usage::{Usage, cpus, usage};
use protocol::ids::PartitionId;
use tokio::time::Instant;

use crate::limits::{LOAD_PARTITIONS_MAX, LOAD_SMOOTHING, LOAD_WARM_UP_SAMPLES};
use crate::metrics;
use crate::partition::Partition;

/// What one partition has done so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    requests: AtomicU64,
}

/// The same as numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    bytes_in: u64,
    bytes_out: u64,
    requests: u64,
}

/// Rates per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Rates {
    bytes_in: f64,
    bytes_out: f64,
    requests: f64,
}

/// Turns counts into rates.
#[derive(Debug)]
pub(crate) struct Meter {
    /// A simulated host does not look at the machine: no two runs would be the same.
    is_simulated: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked_at: Option<Instant>,
    usage: Usage,
    cpu_permille: f64,
    samples: u32,
    /// In order, so that sums of rates are the same in every run of a simulation.
    partitions: BTreeMap<PartitionId, Watched>,
}

/// One epoch of one partition.
#[derive(Debug)]
struct Watched {
    epoch: i32,
    counts: Counts,
    rates: Rates,
    samples: u32,
}

// === impl Counters ===

impl Counters {
    /// A batch was appended.
    pub(crate) fn produced(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Records were handed out.
    pub(crate) fn fetched(&self, bytes: usize) {
        if bytes > 0 {
            self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> Counts {
        Counts {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
        }
    }
}

// === impl Rates ===

impl Rates {
    /// Moves towards what was counted in `seconds`.
    fn follow(&mut self, before: Counts, now: Counts, seconds: f64, weight: f64) {
        let step = |rate: &mut f64, before: u64, now: u64| {
            let seen = now.saturating_sub(before) as f64 / seconds;
            *rate += weight * (seen - *rate);
        };
        step(&mut self.bytes_in, before.bytes_in, now.bytes_in);
        step(&mut self.bytes_out, before.bytes_out, now.bytes_out);
        step(&mut self.requests, before.requests, now.requests);
    }

    fn add(&mut self, other: &Self) {
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.requests += other.requests;
    }

    fn rounded(&self) -> Traffic {
        Traffic {
            bytes_in: round(self.bytes_in),
            bytes_out: round(self.bytes_out),
            requests: round(self.requests),
        }
    }
}

// === impl Meter ===

impl Meter {
    pub(crate) fn new(is_simulated: bool) -> Self {
        Self { is_simulated, state: Mutex::default() }
    }

    /// Looks at everything; once a second.
    pub(crate) fn look(&self, open: &[Arc<Partition>]) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let since = state.looked_at.replace(now).map_or(Duration::ZERO, |then| now - then);
        state.samples = state.samples.saturating_add(1);
        if !self.is_simulated {
            state.measure_process(usage(), since);
        }
        let mut before = std::mem::take(&mut state.partitions);
        for partition in open {
            let (id, epoch) = (partition.id(), partition.epoch());
            let counts = partition.counters().read();
            let known = before.remove(&id).filter(|known| known.epoch == epoch);
            let new = || Watched { epoch, counts, rates: Rates::default(), samples: 0 };
            let mut watched = known.unwrap_or_else(new);
            watched.look(counts, since);
            state.partitions.insert(id, watched);
        }
        metrics::load(&state.total().rounded(), state.cpu_permille, state.usage.memory_bytes);
    }

    /// What control is told.
    pub(crate) fn describe(&self, log_id: String) -> DescribeLoadResponse {
        let state = self.state.lock();
        let warm = state.partitions.iter().filter(|(_, it)| it.samples >= LOAD_WARM_UP_SAMPLES);
        let mut known: Vec<_> = warm.map(|(id, it)| (*id, it.rates.rounded())).collect();
        let busy = |traffic: &Traffic| traffic.bytes_in + traffic.bytes_out + traffic.requests;
        // Equal ones by name, so that the same ones are named again the next time.
        known.sort_unstable_by_key(|(id, traffic)| (std::cmp::Reverse(busy(traffic)), *id));
        let others = known.split_off(known.len().min(LOAD_PARTITIONS_MAX));
        known.sort_unstable_by_key(|(id, _)| *id);
        let mut rest = Traffic::default();
        for (_, traffic) in &others {
            rest.bytes_in += traffic.bytes_in;
            rest.bytes_out += traffic.bytes_out;
            rest.requests += traffic.requests;
        }
        DescribeLoadResponse {
            log_id,
            traffic: Some(state.total().rounded()),
            cpu_permille: u32::try_from(round(state.cpu_permille)).unwrap_or(u32::MAX),
            memory_bytes: state.usage.memory_bytes,
            partitions: u32::try_from(state.partitions.len()).unwrap_or(u32::MAX),
            topics: TopicLoad::group(known),
            others: u32::try_from(others.len()).unwrap_or(u32::MAX),
            others_traffic: Some(rest),
        }
    }
}

// === impl State ===

impl State {
    fn measure_process(&mut self, usage: Usage, since: Duration) {
        let before = std::mem::replace(&mut self.usage, usage);
        if since.is_zero() {
            return;
        }
        let taken = usage.cpu.saturating_sub(before.cpu).as_secs_f64();
        let permille = 1_000.0 * taken / since.as_secs_f64() / cpus() as f64;
        self.cpu_permille += weight(since, self.samples) * (permille - self.cpu_permille);
    }

    fn total(&self) -> Rates {
        let mut total = Rates::default();
        self.partitions.values().for_each(|watched| total.add(&watched.rates));
        total
    }
}

// === impl Watched ===

impl Watched {
    fn look(&mut self, counts: Counts, since: Duration) {
        let before = std::mem::replace(&mut self.counts, counts);
        if since.is_zero() {
            return;
        }
        self.samples = self.samples.saturating_add(1);
        let weight = weight(since, self.samples);
        self.rates.follow(before, counts, since.as_secs_f64(), weight);
    }
}

/// How much the last sample counts: all alike at first, then the less the older.
fn weight(since: Duration, samples: u32) -> f64 {
    let smooth = 1.0 - (-since.as_secs_f64() / LOAD_SMOOTHING.as_secs_f64()).exp();
    smooth.max(1.0 / f64::from(samples.max(1)))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive")]
fn round(rate: f64) -> u64 {
    rate.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(seconds: u64, rate: u64) -> Counts {
        Counts { bytes_in: seconds * rate, bytes_out: 0, requests: seconds }
    }

    fn new() -> Watched {
        Watched { epoch: 1, counts: Counts::default(), rates: Rates::default(), samples: 0 }
    }

    #[test]
    fn a_steady_rate_is_known_after_a_second_and_a_change_within_a_minute() {
        let second = Duration::from_secs(1);
        let mut watched = new();
        for seconds in 1..=3 {
            watched.look(counts(seconds, 1_000), second);
            assert_eq!(watched.rates.rounded().bytes_in, 1_000);
            assert_eq!(watched.rates.rounded().requests, 1);
        }
        let at = watched.counts.bytes_in;
        let mut bursting = Counts { bytes_in: at + 10_000, ..watched.counts };
        watched.look(bursting, second);
        let burst = watched.rates.rounded().bytes_in;
        assert!((2_000..5_000).contains(&burst), "one second is not the truth: {burst}");
        for _ in 0..60 {
            bursting.bytes_in += 10_000;
            watched.look(bursting, second);
        }
        let steady = watched.rates.rounded().bytes_in;
        assert!((9_900..=10_000).contains(&steady), "{steady}");
    }

    #[test]
    fn two_looks_at_once_say_nothing() {
        let mut watched = new();
        watched.look(counts(5, 7), Duration::ZERO);
        assert_eq!((watched.samples, watched.rates), (0, Rates::default()));
    }
}
