//! Producers that do not give up: one per partition, one batch at a time, at a rate. Whoever does not
//! answer is left for the next gateway, and what was refused is sent again. When each batch was sent
//! and acknowledged is kept, so that one can see how long a partition took none.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;

use crate::clock::Instant;
use crate::frames::{ProduceFrame, produce_error};
use crate::histogram::Histogram;
use crate::load::BENCH;
use crate::wire::{Security, Stream, read_frame};

/// Before a refused batch is sent again.
const BACKOFF: Duration = Duration::from_millis(20);
/// Longer than a gateway keeps a batch for an owner that is not there yet.
const ANSWER: Duration = Duration::from_secs(5);

/// What to send, and where.
#[derive(Debug, Clone)]
pub(crate) struct Persistent {
    /// Any of these will do.
    pub(crate) gateways: Vec<SocketAddr>,
    pub(crate) topic: String,
    pub(crate) partitions: i32,
    pub(crate) records_per_batch: u32,
    pub(crate) record_len: usize,
    /// Bytes per second over all partitions.
    pub(crate) rate: f64,
}

/// The producers while they run.
#[derive(Debug)]
pub(crate) struct Running {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    acks: Vec<Arc<Mutex<Vec<Ack>>>>,
    start: Instant,
    batch_len: u64,
}

/// A batch that was acknowledged, in time since the start.
#[derive(Debug, Clone, Copy)]
struct Ack {
    /// When it was sent, the time that counted.
    sent: Duration,
    /// When it was due.
    due: Duration,
    at: Duration,
}

impl Persistent {
    pub(crate) fn start(&self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let frame = ProduceFrame::new(BENCH, &self.topic, self.records_per_batch, self.record_len);
        let batch_len = frame.batch_len() as u64;
        let mut running = Running { threads: Vec::new(), stop, acks: Vec::new(), start, batch_len };
        for partition in 0..self.partitions {
            let acks = Arc::new(Mutex::new(Vec::new()));
            running.acks.push(Arc::clone(&acks));
            let (stop, frame, what) = (Arc::clone(&running.stop), frame.clone(), self.clone());
            let producer = move || what.produce(partition, frame, start, &stop, &acks);
            running.threads.push(thread::spawn(producer));
        }
        running
    }

    fn produce(
        &self,
        partition: i32,
        mut frame: ProduceFrame,
        start: Instant,
        stop: &AtomicBool,
        acks: &Mutex<Vec<Ack>>,
    ) {
        let each = frame.batch_len() as f64 * f64::from(self.partitions) / self.rate;
        let interval = Duration::from_secs_f64(each);
        let mut due = interval.mul_f64(f64::from(partition) / f64::from(self.partitions));
        let mut gateway = usize::try_from(partition).unwrap_or_default();
        let mut link = None;
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_sub(start.elapsed()));
            let sent = start.elapsed();
            let address = self.gateways[gateway % self.gateways.len()];
            match ask(&mut link, address, frame.request(0, partition)) {
                Ok(0) => {
                    acks.lock().push(Ack { sent, due, at: start.elapsed() });
                    due += interval;
                }
                Ok(_) => thread::sleep(BACKOFF),
                Err(_) => {
                    link = None;
                    gateway += 1;
                    thread::sleep(BACKOFF);
                }
            }
        }
    }
}

/// Sends a batch and waits for what becomes of it: Kafka's error code.
fn ask(link: &mut Option<Stream>, address: SocketAddr, request: &[u8]) -> Result<i16> {
    if link.is_none() {
        let stream = Security::default().dial(address)?;
        stream.set_read_timeout(ANSWER)?;
        *link = Some(stream);
    }
    let stream = link.as_mut().context("it was just made")?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    read_frame(stream, &mut answer)?;
    produce_error(&answer).context("a produce answer")
}

impl Running {
    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// How long after that moment every partition has acknowledged something sent since; `None`
    /// while one has not.
    pub(crate) fn first_ack_on_all(&self, since: Duration) -> Option<Duration> {
        let mut last = Duration::ZERO;
        for acks in &self.acks {
            let acks = acks.lock();
            // What was sent long before is no news; the newest are at the end.
            let newer = acks.iter().rev().take_while(|ack| ack.at >= since);
            let first = newer.filter(|ack| ack.sent >= since).last()?;
            last = last.max(first.at - since);
        }
        Some(last)
    }

    /// Latencies of what was due between two moments, from when it was due.
    pub(crate) fn latency(&self, from: Duration, until: Duration) -> Histogram {
        let mut latency = Histogram::new();
        for acks in &self.acks {
            for ack in acks.lock().iter().filter(|ack| (from..until).contains(&ack.due)) {
                latency.record(ack.at.saturating_sub(ack.due));
            }
        }
        latency
    }

    /// Bytes per second that were acknowledged between two moments.
    pub(crate) fn rate(&self, from: Duration, until: Duration) -> f64 {
        let count = |acks: &Mutex<Vec<Ack>>| {
            acks.lock().iter().filter(|ack| (from..until).contains(&ack.at)).count() as u64
        };
        let batches: u64 = self.acks.iter().map(|acks| count(acks)).sum();
        (batches * self.batch_len) as f64 / (until - from).as_secs_f64()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}
