//! The load generator: one blocking thread per connection, pre-encoded frames, a window of requests
//! in flight. Closed loop without a rate; with a rate, latency counts from the *intended* send time,
//! so a stalled server cannot hide behind a stalled client (coordinated omission).

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::clock::Instant;
use crate::frames::{ProduceFrame, create_topic, produce_error};
use crate::histogram::Histogram;
use crate::timeline::Timeline;
use crate::wire::{Security, Stream, read_frame};

/// How long whoever fills a log leaves it alone after a refusal.
const REFUSED: Duration = Duration::from_secs(1);

/// What clients are called that nobody limits.
pub(crate) const BENCH: &str = "bench";

/// What to send.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) topic: String,
    pub(crate) partitions: i32,
    pub(crate) connections: usize,
    /// Requests in flight per connection.
    pub(crate) window: usize,
    pub(crate) records_per_batch: u32,
    pub(crate) record_len: usize,
    pub(crate) duration: Duration,
    /// Bytes per second over all connections; `None` is as fast as answers come.
    pub(crate) rate: Option<f64>,
    /// Who wants to know what was acknowledged when.
    pub(crate) watch: Option<Timeline>,
    /// What the clients call themselves.
    pub(crate) client: &'static str,
    /// How the server is reached.
    pub(crate) security: Security,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latency: Histogram,
}

impl Outcome {
    /// Decimal megabytes of record batches per second.
    pub(crate) fn mb_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64()
    }
}

impl Load {
    /// The same load for another server.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// Creates the topic on a Kafka-like server; a topic that exists already is fine.
    pub(crate) fn create_topic(&self) -> Result<()> {
        let mut stream = self.security.dial(self.address)?;
        stream.write_all(&create_topic(&self.topic, self.partitions))?;
        read_frame(&mut stream, &mut Vec::new())
    }

    /// Runs the load to its end.
    pub(crate) fn run(&self) -> Result<Outcome> {
        // Before the clock starts: whoever is due while others still connect would be late at once.
        let connections = (0..self.connections).map(|index| Connection::open(self, index));
        let connections = connections.collect::<Result<Vec<_>>>()?;
        let start = Instant::now();
        let workers: Vec<_> = connections
            .into_iter()
            .map(|connection| {
                let load = self.clone();
                thread::spawn(move || connection.run(&load, start))
            })
            .collect();
        let mut total = Outcome {
            bytes: 0,
            requests: 0,
            errors: 0,
            elapsed: Duration::ZERO,
            latency: Histogram::new(),
        };
        for worker in workers {
            let part = worker.join().ok().context("a load thread panicked")??;
            total.bytes += part.bytes;
            total.requests += part.requests;
            total.errors += part.errors;
            total.latency.merge(&part.latency);
        }
        total.elapsed = start.elapsed();
        Ok(total)
    }
}

impl Load {
    /// Runs the load until so many bytes are acknowledged. A log that is full refuses until some of
    /// it is in the object store; producers try again, and so does this.
    pub(crate) fn fill(&self, bytes: u64) -> Result<()> {
        let mut left = bytes;
        while left > 0 {
            let outcome = self.run()?;
            ensure!(outcome.bytes > 0, "nothing is acknowledged: {} errors", outcome.errors);
            left = left.saturating_sub(outcome.bytes);
            if outcome.errors > 0 {
                thread::sleep(REFUSED);
            }
        }
        Ok(())
    }
}

struct Connection {
    stream: Stream,
    frame: ProduceFrame,
    start: Instant,
    /// When the next request is due, with a rate.
    next_due: Duration,
    interval: Option<Duration>,
    /// Send times of the requests in flight, oldest first.
    in_flight: VecDeque<Duration>,
    sent: u64,
    first_partition: u64,
    answer: Vec<u8>,
    outcome: Outcome,
}

impl Connection {
    fn open(load: &Load, index: usize) -> Result<Self> {
        let frame =
            ProduceFrame::new(load.client, &load.topic, load.records_per_batch, load.record_len);
        let interval = load.rate.map(|rate| {
            Duration::from_secs_f64(frame.batch_len() as f64 * load.connections as f64 / rate)
        });
        let next_due = interval.unwrap_or_default().mul_f64(index as f64 / load.connections as f64);
        let outcome = Outcome {
            bytes: 0,
            requests: 0,
            errors: 0,
            elapsed: Duration::ZERO,
            latency: Histogram::new(),
        };
        Ok(Self {
            stream: load.security.dial(load.address)?,
            frame,
            start: Instant::now(),
            next_due,
            interval,
            in_flight: VecDeque::new(),
            sent: 0,
            first_partition: index as u64,
            answer: Vec::new(),
            outcome,
        })
    }

    fn run(mut self, load: &Load, start: Instant) -> Result<Outcome> {
        self.start = start;
        loop {
            let now = self.start.elapsed();
            let ended = now >= load.duration;
            if ended && self.in_flight.is_empty() {
                return Ok(self.outcome);
            }
            let due = self.interval.is_none() || now >= self.next_due;
            if !ended && due && self.in_flight.len() < load.window {
                self.send(now, load)?;
            } else if self.in_flight.is_empty() {
                thread::sleep(self.next_due.saturating_sub(now).min(Duration::from_millis(1)));
            } else if self.answer_ready(now, ended, load)? {
                self.receive(load)?;
            }
        }
    }

    fn send(&mut self, now: Duration, load: &Load) -> Result<()> {
        let partition = (self.sent + self.first_partition) % u64::try_from(load.partitions)?;
        let request =
            self.frame.request((self.sent & 0x7fff_ffff) as i32, i32::try_from(partition)?);
        self.stream.write_all(request)?;
        self.sent += 1;
        self.in_flight.push_back(if self.interval.is_some() { self.next_due } else { now });
        self.next_due += self.interval.unwrap_or_default();
        Ok(())
    }

    /// Whether to read an answer now: with a rate and room in the window, only if it is already
    /// there or comes before the next request is due.
    fn answer_ready(&self, now: Duration, ended: bool, load: &Load) -> Result<bool> {
        if self.interval.is_none() || ended || self.in_flight.len() >= load.window {
            return Ok(true);
        }
        let wait = self.next_due.saturating_sub(now).max(Duration::from_micros(20));
        self.stream.answer_within(wait)
    }

    fn receive(&mut self, load: &Load) -> Result<()> {
        read_frame(&mut self.stream, &mut self.answer)?;
        let sent_at = self.in_flight.pop_front().context("an answer nobody asked for")?;
        match produce_error(&self.answer) {
            Some(0) => {
                let latency = self.start.elapsed().saturating_sub(sent_at);
                let bytes = self.frame.batch_len() as u64;
                self.outcome.bytes += bytes;
                self.outcome.requests += 1;
                self.outcome.latency.record(latency);
                if let Some(timeline) = &load.watch {
                    timeline.acknowledged(latency, bytes);
                }
            }
            Some(_) => self.outcome.errors += 1,
            None => bail!("a produce answer of {} bytes", self.answer.len()),
        }
        Ok(())
    }
}
