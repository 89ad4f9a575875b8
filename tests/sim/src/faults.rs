//! What is broken right now: set by the nemesis, asked by the simulated services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Everything that is broken; cheap to clone, all clones are one.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<State>>);

struct State {
    rng: ChaCha8Rng,
    store: StoreFaults,
    metadata: MetadataFaults,
    disk: DiskFaults,
    /// Hosts that do not reach the object store.
    cut_from_store: BTreeSet<String>,
    /// Hosts that do not reach the metadata store.
    cut_from_metadata: BTreeSet<String>,
    /// How far each host's wall clock is off.
    clock_off_ms: BTreeMap<String, i64>,
}

/// Rates of what goes wrong in the object store, each per request.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreFaults {
    /// Refused with 503, nothing applied.
    pub refused: f64,
    /// Applied, but the answer is lost.
    pub answer_lost: f64,
    /// Applied long after the client gave up.
    pub late: f64,
    /// Applied twice.
    pub twice: f64,
    /// A conditional write that is refused with 409 although nobody was there.
    pub conflict: f64,
    /// A read that flips a bit or ends early.
    pub damaged_read: f64,
    /// A listing that leaves out what is new.
    pub stale_list: f64,
    /// Every latency times this.
    pub slowdown: f64,
}

/// Rates of what goes wrong in the metadata store.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetadataFaults {
    /// A request that fails before it is carried out.
    pub unavailable: f64,
    /// A transaction that is carried out, but nobody hears of it.
    pub unknown: f64,
    /// A watched change that is delivered twice.
    pub event_twice: f64,
    /// A watch that breaks off and has to list again.
    pub watch_broken: f64,
    /// A lease that ends before its time, per renewal.
    pub lease_lost: f64,
}

/// What goes wrong with disks.
#[derive(Clone, Copy, Debug)]
pub struct DiskFaults {
    /// A write that fails; what it left is unknown.
    pub failed: f64,
    /// Every write takes this much longer.
    pub slowdown: f64,
}

impl Default for DiskFaults {
    fn default() -> Self {
        Self { failed: 0.0, slowdown: 1.0 }
    }
}

// === impl Faults ===

impl Faults {
    /// Nothing is broken.
    pub fn none(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6661_756c_7473),
            store: StoreFaults { slowdown: 1.0, ..StoreFaults::default() },
            metadata: MetadataFaults::default(),
            disk: DiskFaults::default(),
            cut_from_store: BTreeSet::new(),
            cut_from_metadata: BTreeSet::new(),
            clock_off_ms: BTreeMap::new(),
        })))
    }

    /// Repairs everything.
    pub fn heal(&self) {
        let mut state = self.0.lock();
        state.store = StoreFaults { slowdown: 1.0, ..StoreFaults::default() };
        state.metadata = MetadataFaults::default();
        state.disk = DiskFaults::default();
        state.cut_from_store.clear();
        state.cut_from_metadata.clear();
    }

    /// How the object store misbehaves from now on.
    pub fn set_store(&self, store: StoreFaults) {
        self.0.lock().store = store;
    }

    /// How the metadata store misbehaves from now on.
    pub fn set_metadata(&self, metadata: MetadataFaults) {
        self.0.lock().metadata = metadata;
    }

    /// How disks misbehave from now on.
    pub fn set_disk(&self, disk: DiskFaults) {
        self.0.lock().disk = disk;
    }

    /// Cuts a host from the object store, or undoes that.
    pub fn cut_store(&self, host: &str, cut: bool) {
        set(&mut self.0.lock().cut_from_store, host, cut);
    }

    /// Cuts a host from the metadata store, or undoes that.
    pub fn cut_metadata(&self, host: &str, cut: bool) {
        set(&mut self.0.lock().cut_from_metadata, host, cut);
    }

    /// Sets a host's wall clock.
    pub fn set_clock(&self, host: &str, off_ms: i64) {
        self.0.lock().clock_off_ms.insert(host.to_owned(), off_ms);
    }

    pub(crate) fn clock_off_ms(&self, host: &str) -> i64 {
        self.0.lock().clock_off_ms.get(host).copied().unwrap_or_default()
    }

    pub(crate) fn store(&self) -> StoreFaults {
        self.0.lock().store
    }

    pub(crate) fn metadata(&self) -> MetadataFaults {
        self.0.lock().metadata
    }

    pub(crate) fn disk(&self) -> DiskFaults {
        self.0.lock().disk
    }

    pub(crate) fn is_cut_from_store(&self, host: &str) -> bool {
        self.0.lock().cut_from_store.contains(host)
    }

    pub(crate) fn is_cut_from_metadata(&self, host: &str) -> bool {
        self.0.lock().cut_from_metadata.contains(host)
    }

    /// Whether something of this rate happens now.
    pub(crate) fn happens(&self, rate: f64) -> bool {
        rate > 0.0 && self.0.lock().rng.random_bool(rate.min(1.0))
    }

    /// A number below `below`.
    pub(crate) fn pick(&self, below: u64) -> u64 {
        self.0.lock().rng.random_range(0..below)
    }

    /// A log-normal latency with this median: most requests are near it, one of a hundred takes
    /// ten times as long. All of them by `slowdown`.
    pub(crate) fn latency(&self, median: Duration, slowdown: f64) -> Duration {
        let mut state = self.0.lock();
        // Irwin-Hall: twelve uniform numbers make a normal one.
        let normal: f64 = (0..12).map(|_| state.rng.random::<f64>()).sum::<f64>() - 6.0;
        median.mul_f64((normal * 0.9).exp() * slowdown)
    }
}

fn set(hosts: &mut BTreeSet<String>, host: &str, present: bool) {
    if present {
        hosts.insert(host.to_owned());
    } else {
        hosts.remove(host);
    }
}
