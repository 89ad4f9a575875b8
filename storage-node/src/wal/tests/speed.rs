//! How fast the front is on this machine's disk: figures to read, not assertions.
//!
//! `cargo test --release -p storage-node wal::tests::speed -- --ignored --nocapture`, with `WAL_DIR`
//! naming a directory on the disk in question.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::time::Instant;

use super::harness::{batch, partition};
use crate::wal::{CommitTarget, DiskFront, DiskFrontConfig, Entry, Front, LsnRange, NoPromise};

const SECONDS: u64 = 3;
const RING_BYTES: u64 = 1 << 30;

/// A producer that keeps `window` batches in flight, and trims behind itself.
#[derive(Default)]
struct Producer {
    state: Mutex<ProducerState>,
    answered: Condvar,
}

#[derive(Default)]
struct ProducerState {
    sent: Vec<Instant>,
    latencies: Vec<Duration>,
    end: crate::wal::Lsn,
}

impl CommitTarget for Producer {
    fn committed(&self, lsn: LsnRange, _: i64, _: i64, _: Bytes) {
        let mut state = self.state.lock();
        let latency = state.sent[state.latencies.len()].elapsed();
        state.latencies.push(latency);
        state.end = lsn.end;
        self.answered.notify_one();
    }

    fn failed(&self, base_offset: i64) {
        panic!("offset {base_offset} failed");
    }
}

impl Producer {
    fn run(self: &Arc<Self>, front: &DiskFront, index: i32, batch: &Bytes, window: usize) {
        let deadline = Instant::now() + Duration::from_secs(SECONDS);
        for offset in 0.. {
            let mut state = self.state.lock();
            self.answered
                .wait_while(&mut state, |state| state.sent.len() - state.latencies.len() >= window);
            let now = Instant::now();
            if now >= deadline {
                return;
            }
            state.sent.push(now);
            let end = state.end;
            drop(state);
            if index == 0 && offset % 64 == 0 {
                front.trim(end);
            }
            let entry = Entry {
                partition: partition(index),
                base_offset: offset,
                leader_epoch: 1,
                last_offset: offset,
                batch: batch.clone(),
                internal: false,
                target: Arc::clone(self) as Arc<dyn CommitTarget>,
            };
            front.append(entry).unwrap();
        }
    }
}

fn measure(batch_bytes: usize, producers: usize, window: usize, writers: usize) {
    let directory = std::env::var_os("WAL_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(directory).unwrap();
    let mut config = DiskFrontConfig::new(directory.path().join("wal"), RING_BYTES);
    config.tuning.writers = writers;
    let begun = Instant::now();
    let front = DiskFront::open(&config, "log-1", None, Arc::new(NoPromise)).unwrap();
    let created = begun.elapsed();
    let batch = batch(0, batch_bytes);
    let all: Vec<_> = (0..producers).map(|_| Arc::new(Producer::default())).collect();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (index, producer) in all.iter().enumerate() {
            let (front, batch) = (&front, &batch);
            scope.spawn(move || producer.run(front, index as i32, batch, window));
        }
    });
    drop(front);
    let seconds = begun.elapsed().as_secs_f64();
    let mut latencies: Vec<_> =
        all.iter().flat_map(|producer| producer.state.lock().latencies.clone()).collect();
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    println!(
        "{batch_bytes:>8} B x {producers:>2} producers x {window:>2}, {writers} writers: \
         {:>6.0} MB/s {:>7.0}/s  P50 {:>9.1?}  P99 {:>9.1?}  (created in {created:.1?})",
        (latencies.len() * batch_bytes) as f64 / seconds / 1e6,
        latencies.len() as f64 / seconds,
        at(0.5),
        at(0.99),
    );
}

#[test]
#[ignore = "a measurement of the disk"]
fn throughput_and_latency() {
    for writers in [1, 2, 3, 4] {
        measure(64 << 10, 4, 4, writers);
    }
    measure(64 << 10, 16, 4, 3);
    measure(64 << 10, 4, 1, 3);
    measure(16 << 10, 16, 4, 3);
    measure(1 << 10, 64, 1, 3);
    measure(1 << 10, 1, 1, 3);
    measure(1_000_000, 4, 2, 3);
}
