//! What one seed is about: how large the cluster is, who loads it, and what may break.
//!
//! Swarm testing: each seed switches on a random part of the faults, so that no fault hides behind
//! another; a quarter of the seeds breaks nothing, because the worst bugs of comparable systems
//! showed in healthy clusters.

mod housekeeping;
mod moving;
mod transactions;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use storage_node::WalKind;

pub use self::housekeeping::Housekeeping;
pub use self::moving::Moving;
pub use self::transactions::{TRANSACTIONS_TOPIC, TransactionalProducer, Transactions};
use crate::disks::SHARED;

/// The topic that the workload writes to.
pub const TOPIC: &str = "sim";

/// What may break in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A process dies and is started again.
    Crash,
    /// Hosts do not reach each other; what they send is lost.
    Partition,
    /// What hosts send each other arrives much later, all at once.
    Hold,
    /// A host does not reach the object store.
    StoreCut,
    /// The object store refuses, forgets to answer, applies late or twice.
    StoreErrors,
    /// The object store is slow.
    StoreSlow,
    /// A host does not reach the metadata store.
    MetadataCut,
    /// The metadata store fails, loses answers, breaks watches and leases.
    MetadataErrors,
    /// Wall clocks jump by up to an hour.
    Clock,
    /// Writes to disks fail, and with them an incarnation.
    DiskErrors,
    /// Disks are slow.
    DiskSlow,
}

/// What may break whatever the front is.
const ALL: [Fault; 9] = [
    Fault::Crash,
    Fault::Partition,
    Fault::Hold,
    Fault::StoreCut,
    Fault::StoreErrors,
    Fault::StoreSlow,
    Fault::MetadataCut,
    Fault::MetadataErrors,
    Fault::Clock,
];

/// Where acknowledged records are before they are uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontKind {
    /// In the object store.
    Object,
    /// On a disk of the node: it must come back.
    Disk,
    /// On a volume that others can attach, with a promise (R4).
    SharedDisk,
}

/// One producer of the workload.
#[derive(Clone, Copy, Debug)]
pub struct Producer {
    /// Its number.
    pub id: u32,
    /// Where it writes to.
    pub partition: i32,
    /// Whether it is idempotent: it tries again until it knows.
    pub idempotent: bool,
    /// Batches under way.
    pub window: usize,
    /// Records per batch, at most.
    pub records_max: u64,
    /// Pause between two batches.
    pub pace: Duration,
}

/// A seed's run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// Control processes.
    pub controls: i32,
    /// Storage nodes.
    pub nodes: i32,
    /// Gateways.
    pub gateways: i32,
    /// Partitions of the topic.
    pub partitions: i32,
    /// Partitions of the groups' state.
    pub group_partitions: i32,
    /// Who writes.
    pub producers: Vec<Producer>,
    /// How many read at the tail.
    pub readers: u32,
    /// How many groups commit.
    pub groups: u32,
    /// What may break.
    pub faults: Vec<Fault>,
    /// How long there is load and trouble.
    pub load: Duration,
    /// Slowest message between two hosts.
    pub latency_max: Duration,
    /// Uploads begin at least this often.
    pub upload_interval: Duration,
    /// Memory for recent batches per node; little of it makes readers cold.
    pub cache: ByteSize,
    /// Which front all nodes have.
    pub front: FrontKind,
    /// Writers of a disk front.
    pub wal_writers: usize,
    /// The least time between two writes of an object front.
    pub wal_window: Duration,
    /// Writes of an object front in flight.
    pub wal_in_flight: usize,
    /// Who rewrites and deletes, and when.
    pub housekeeping: Housekeeping,
    /// Why partitions change hands although nothing is broken.
    pub moving: Moving,
    /// Who writes in transactions.
    pub transactions: Transactions,
}

/// The least a node can be told.
const PLAN_LIFE: Duration = Duration::from_secs(10);
// === impl Scenario ===

impl Scenario {
    /// What the seed stands for.
    pub fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let quiet = rng.random_bool(0.25);
        let mut faults = ALL.to_vec();
        faults.shuffle(&mut rng);
        faults.truncate(if quiet { 0 } else { rng.random_range(1..=5) });
        faults.sort_unstable();
        let partitions = rng.random_range(2..=6);
        let producers = (1..=rng.random_range(2..=5)).map(|id| {
            let idempotent = rng.random_bool(0.7);
            Producer {
                id,
                partition: rng.random_range(0..partitions),
                idempotent,
                window: if idempotent { rng.random_range(1..=5) } else { 1 },
                records_max: rng.random_range(1..=5),
                pace: Duration::ZERO,
            }
        });
        let producers: Vec<Producer> = producers.collect();
        Self {
            seed,
            controls: rng.random_range(1..=2),
            nodes: 3,
            gateways: rng.random_range(1..=2),
            partitions,
            group_partitions: rng.random_range(1..=2),
            readers: rng.random_range(1..=2),
            groups: rng.random_range(1..=2),
            producers: paced(producers, Duration::from_millis(rng.random_range(20..=250))),
            faults,
            load: Duration::from_secs(rng.random_range(20..=40)),
            latency_max: Duration::from_millis(rng.random_range(2..=20)),
            upload_interval: Duration::from_millis(rng.random_range(300..=4_000)),
            cache: if rng.random_bool(0.3) { ByteSize::kib(1) } else { ByteSize::mib(4) },
            wal_window: Duration::from_millis(rng.random_range(10..=60)),
            wal_in_flight: rng.random_range(1..=4),
            housekeeping: Housekeeping::of(&mut rng),
            front: FrontKind::Object,
            wal_writers: rng.random_range(1..=3),
            moving: Moving::NONE,
            transactions: Transactions::default(),
        }
        .with_extras(&mut rng, quiet)
        .with_moves(&mut rng)
    }

    /// Half of the seeds write to disks, which may break then. Garbage takes its time.
    fn with_extras(mut self, rng: &mut ChaCha8Rng, quiet: bool) -> Self {
        let kinds = [FrontKind::Object, FrontKind::Object, FrontKind::Disk, FrontKind::SharedDisk];
        self.front = kinds[rng.random_range(0..kinds.len())];
        if self.housekeeping.compactors > 0 {
            // What is unneeded is deleted before the end, and something is read after that.
            self.load += Duration::from_secs(15);
        }
        for fault in [Fault::DiskErrors, Fault::DiskSlow] {
            if rng.random_bool(0.4) && self.front != FrontKind::Object && !quiet {
                self.faults.push(fault);
            }
        }
        self
    }

    /// Half of the seeds have partitions move. A producer that is silent for several owners shows
    /// whether each hands on what it knows of it (T1).
    fn with_moves(mut self, rng: &mut ChaCha8Rng) -> Self {
        self.moving = Moving::of(rng);
        for producer in &mut self.producers {
            if rng.random_bool(0.4) {
                producer.pace = Duration::from_millis(rng.random_range(500..=4_000));
            }
        }
        self.transactions = Transactions::of(rng, &self.moving);
        self
    }

    /// The configuration of a storage node.
    pub(crate) fn node_config(&self, number: i32) -> storage_node::Config {
        let mut config = storage_node::Config::new(number, "");
        config.wal.kind = match self.front {
            FrontKind::Object => WalKind::Object,
            FrontKind::Disk | FrontKind::SharedDisk => WalKind::Disk,
        };
        config.wal.shared = self.front == FrontKind::SharedDisk;
        config.wal.path = Path::new(SHARED).join(format!("node-{number}"));
        if self.front == FrontKind::Disk {
            config.wal.path = PathBuf::from("/wal");
        }
        config.wal.writers = self.wal_writers;
        config.wal.object.window = self.wal_window;
        config.wal.object.in_flight = self.wal_in_flight;
        config.wal.size = ByteSize::mib(4);
        config.upload.size = ByteSize::mib(1);
        config.cache_size = self.cache;
        config.upload.interval = self.upload_interval;
        config.plan_life = PLAN_LIFE;
        config.retention_interval = Duration::from_secs(3);
        if let Some(incarnation_max) = self.moving.incarnation_max {
            config.incarnation_max = incarnation_max;
        }
        config
    }
}

/// All producers at one pace.
fn paced(mut producers: Vec<Producer>, pace: Duration) -> Vec<Producer> {
    producers.iter_mut().for_each(|producer| producer.pace = pace);
    producers
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Scenario {
        fn has_slow_idempotent_producer(&self) -> bool {
            let slow = |producer: &Producer| producer.pace >= Duration::from_millis(500);
            self.producers.iter().any(|producer| producer.idempotent && slow(producer))
        }
    }

    #[test]
    fn a_quarter_of_the_seeds_breaks_nothing_and_each_fault_is_common() {
        let scenarios: Vec<_> = (0..1_000).map(Scenario::of).collect();
        let quiet = scenarios.iter().filter(|scenario| scenario.faults.is_empty()).count();
        assert!((200..300).contains(&quiet), "{quiet}");
        for fault in ALL {
            let count = scenarios.iter().filter(|it| it.faults.contains(&fault)).count();
            assert!(count > 150, "{fault:?} in {count}");
        }
        let count = |has: fn(&Scenario) -> bool| scenarios.iter().filter(|it| has(it)).count();
        assert!(count(|it| it.moving.pause_max.is_some()) > 400);
        assert!(count(|it| it.moving.incarnation_max.is_some()) > 250);
        assert!(count(|it| it.moving.balance) > 400);
        assert!(count(Scenario::has_slow_idempotent_producer) > 500);
        assert!(count(|it| it.transactions.producers.iter().any(|each| each.version_2)) > 300);
        assert!(count(|it| it.transactions.producers.iter().any(|each| !each.version_2)) > 200);
    }

    #[test]
    fn a_seed_always_means_the_same() {
        let say = |seed| format!("{:?}", Scenario::of(seed));
        assert_eq!(say(7), say(7));
        assert_ne!(say(7), say(8));
    }
}
