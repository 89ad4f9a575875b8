//! What every front must do, tried on each kind of front at each place it can have its log.
//!
//! A scenario knows [`Front`], [`SealedFront`] and nothing else. What differs between kinds is in
//! [`Kind`]: where a log is, how its store stalls and fails, and what a crash leaves.

mod kinds;
mod scenarios;

use std::sync::Arc;

use futures::future::BoxFuture;
use segment::LogId;

use self::kinds::{DiskFile, DiskMemory, ObjectStore};
use crate::wal::{Front, RecoverError, SealedFront};

/// Sizes of the front under test: small, so that a scenario can fill it.
const CAPACITY_BYTES: u64 = 1 << 20;
const PENDING_BYTES_MAX: u64 = 256 << 10;

/// A kind of front at one place.
trait Kind: Send + Sync {
    /// Begins the log of a new incarnation; the one before it at this place is over.
    fn begin(&self) -> BoxFuture<'_, (LogId, Box<dyn Front>)>;

    /// The process of this front is gone, without a word.
    fn crash(&self, front: Box<dyn Front>);

    /// Somebody else ends and reads that log. Its writer may still believe in itself, where the kind
    /// allows for that.
    fn open_sealed(&self, log: LogId) -> BoxFuture<'_, Result<Arc<dyn SealedFront>, RecoverError>>;

    /// From now on nothing becomes durable, until it goes on. False if this place cannot.
    fn stall(&self, _stalled: bool) -> bool {
        false
    }

    /// From now on every write of `log` fails for good. False if this place cannot.
    fn fail(&self, _log: LogId) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// True when an outsider can seal a log whose writer is alive.
    fn seals_the_living(&self) -> bool;
}

async fn suite(kind: &dyn Kind) {
    scenarios::commits_come_in_the_order_of_appends(kind).await;
    scenarios::a_sealed_log_is_what_was_committed(kind).await;
    scenarios::what_was_trimmed_is_not_read_again(kind).await;
    scenarios::a_full_front_refuses_and_loses_nothing(kind).await;
    scenarios::a_stalled_front_is_busy_and_loses_nothing(kind).await;
    scenarios::poison_is_final(kind).await;
    scenarios::two_sealers_at_once_read_the_same(kind).await;
    scenarios::a_zombie_commits_nothing_after_the_seal(kind).await;
    scenarios::a_crash_at_any_point_leaves_a_prefix(kind).await;
    scenarios::the_next_incarnation_begins_at_zero(kind).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_front_in_memory() {
    suite(&DiskMemory::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_front_on_a_file() {
    suite(&DiskFile::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_front_in_memory() {
    suite(&ObjectStore::memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_front_in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    suite(&ObjectStore::directory(directory.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_front_on_an_s3_server() {
    let Some(kind) = ObjectStore::s3() else { return };
    suite(&kind).await;
}
