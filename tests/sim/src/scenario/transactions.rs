//! Who writes in transactions, and who reads only what is committed.

use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Moving;

/// The topic that they write to: markers take offsets, which the other topic's readers count.
pub const TRANSACTIONS_TOPIC: &str = "sim-transactions";

/// The longest timeout of a transaction where nothing shortens it.
const TIMEOUT_MAX_MS: u64 = 15_000;

/// One producer with a transactional id of its own.
#[derive(Clone, Copy, Debug)]
pub struct TransactionalProducer {
    /// Its number, and that of the group whose offsets it commits.
    pub id: u32,
    /// Whether its client speaks version 2 (KIP-890): an epoch for each transaction.
    pub version_2: bool,
    /// Pause between two transactions.
    pub pace: Duration,
    /// `transaction.timeout.ms`: what it leaves open is aborted after that.
    pub timeout: Duration,
}

/// The transactions of a run.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    /// Who writes. Empty in half of the seeds.
    pub producers: Vec<TransactionalProducer>,
    /// Partitions of the topic.
    pub partitions: i32,
    /// How many read.
    pub readers: u32,
}

// === impl Transactions ===

impl Transactions {
    pub(super) fn of(rng: &mut ChaCha8Rng, moving: &Moving) -> Self {
        if rng.random_bool(0.5) {
            return Self::default();
        }
        // A coordinator that takes over gives each transaction all of its time again (R42). With logs that
        // roll over all the time, those that are left open would stay so.
        let timeout_max =
            moving.incarnation_max.map_or(TIMEOUT_MAX_MS, |max| max.as_millis() as u64 / 3);
        let millis = |rng: &mut ChaCha8Rng, range| Duration::from_millis(rng.random_range(range));
        let producers = (1..=rng.random_range(1..=2)).map(|id| TransactionalProducer {
            id,
            version_2: rng.random_bool(0.6),
            pace: millis(rng, 50..=600),
            timeout: millis(rng, 700..=timeout_max.max(1_000)),
        });
        Self { producers: producers.collect(), partitions: rng.random_range(1..=3), readers: 1 }
    }
}
