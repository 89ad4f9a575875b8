//! Why partitions change hands although nothing is broken.

use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// What moves partitions besides faults.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    /// An operator moves random partitions (RELIABILITY §4.6): the longest pause between two.
    pub pause_max: Option<Duration>,
    /// Control evens out the nodes.
    pub balance: bool,
    /// Nodes roll their logs over when these are as old (ADR 0018).
    pub incarnation_max: Option<Duration>,
}

// === impl Moving ===

impl Moving {
    /// Everything stays where it is.
    pub(super) const NONE: Self = Self { pause_max: None, balance: false, incarnation_max: None };

    pub(super) fn of(rng: &mut ChaCha8Rng) -> Self {
        let millis = |rng: &mut ChaCha8Rng, range| Duration::from_millis(rng.random_range(range));
        Self {
            pause_max: rng.random_bool(0.5).then(|| millis(rng, 500..=6_000)),
            balance: rng.random_bool(0.5),
            incarnation_max: rng.random_bool(0.35).then(|| millis(rng, 3_000..=20_000)),
        }
    }
}
