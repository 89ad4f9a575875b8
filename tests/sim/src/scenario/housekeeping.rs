//! Who rewrites and deletes what is stored, and how often.

use std::time::Duration;

use bytesize::ByteSize;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::PLAN_LIFE;

/// What becomes of records that are stored.
#[derive(Clone, Copy, Debug)]
pub struct Housekeeping {
    /// Compactors; two of them get in each other's way (R33).
    pub compactors: i32,
    /// Pause between their rounds.
    pub interval: Duration,
    /// A partition with this much in the logs of nodes is compacted.
    pub object_min: ByteSize,
    /// Or when it has lain there for this long.
    pub max_age: Duration,
    /// What is smaller shares an object.
    pub own_object_from: ByteSize,
    /// So many small objects in a row are joined.
    pub merge_objects: u32,
    /// Pause between two looks at the whole bucket.
    pub gc_interval: Duration,
    /// What nobody needs lives on for this long; longer than a plan (R31).
    pub gc_grace: Duration,
    /// `retention.bytes` of the topic.
    pub retention_bytes: Option<u32>,
    /// `retention.ms` of the topic.
    pub retention_ms: Option<u32>,
}

/// How long a compactor may take for a unit of work.
const LEASE: Duration = Duration::from_secs(5);

// === impl Housekeeping ===

impl Housekeeping {
    pub(super) fn of(rng: &mut ChaCha8Rng) -> Self {
        let seconds = |rng: &mut ChaCha8Rng, range| Duration::from_secs(rng.random_range(range));
        let kib = |rng: &mut ChaCha8Rng, range| ByteSize::kib(rng.random_range(range));
        Self {
            compactors: [0, 1, 1, 2][rng.random_range(0..4)],
            interval: Duration::from_millis(rng.random_range(500..=4_000)),
            object_min: kib(rng, 1..=64),
            max_age: seconds(rng, 1..=10),
            own_object_from: kib(rng, 1..=16),
            merge_objects: rng.random_range(2..=5),
            gc_interval: seconds(rng, 2..=6),
            gc_grace: PLAN_LIFE + seconds(rng, 1..=5),
            retention_bytes: rng.random_bool(0.25).then(|| rng.random_range(4_000..=60_000)),
            retention_ms: rng.random_bool(0.15).then(|| rng.random_range(8_000..=30_000)),
        }
    }

    /// Whether records may go before the end of the run.
    pub fn deletes(&self) -> bool {
        self.retention_bytes.is_some() || self.retention_ms.is_some()
    }

    /// The configuration of a compactor.
    pub(crate) fn config(&self) -> compactor::Config {
        compactor::Config {
            interval: self.interval,
            object_min: self.object_min,
            object_max: ByteSize::mib(1),
            own_object_from: self.own_object_from,
            max_age: self.max_age,
            merge_objects: self.merge_objects,
            memory: ByteSize::mib(1),
            lease: LEASE,
            gc: compactor::GcConfig {
                interval: self.gc_interval,
                grace: self.gc_grace,
                orphan_age: LEASE * 2,
            },
            ..compactor::Config::default()
        }
    }
}
