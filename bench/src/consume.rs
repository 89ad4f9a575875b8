//! A consumer group: one blocking thread per partition, as fast as answers come or at a rate. It
//! checks that every offset comes once and in order.

use std::io::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock::Instant;
use crate::frames::{Fetched, fetch, fetched, list_end, listed_end};
use crate::timeline::{Flow, Timeline};
use crate::wire::{Security, Stream, read_frame};

/// Whoever holds a rate catches up with no more than this of what it could not read in time.
const BURST: Duration = Duration::from_millis(100);
/// KAFKA_STORAGE_ERROR: clients ask again, after `retry.backoff.ms`.
const STORAGE_ERROR: i16 = 56;
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
/// The lowest CPU weight.
const NICENESS: i32 = 19;

/// What to read, and how.
#[derive(Debug, Clone)]
pub(crate) struct Consumer {
    pub(crate) address: SocketAddr,
    pub(crate) topic: String,
    pub(crate) partitions: i32,
    pub(crate) span: Span,
    /// Begins again at the end of the span until then; `None` is once.
    pub(crate) lasting: Option<Duration>,
    /// Bytes per second over all partitions.
    pub(crate) rate: Option<f64>,
    /// Most that one fetch asks for.
    pub(crate) fetch_bytes: i32,
    /// The client id: groups share by it.
    pub(crate) group: &'static str,
    /// On this machine but not of the system: its threads take the CPU that is left.
    pub(crate) gives_way: bool,
    /// Asks again when records could not be read, as clients do.
    pub(crate) asks_again: bool,
    /// Who wants to know when bytes arrived.
    pub(crate) watch: Option<(Timeline, Flow)>,
}

/// Which records of each partition.
#[derive(Debug, Clone)]
pub(crate) enum Span {
    /// All before these ends, from the earliest on.
    Backlog(Vec<i64>),
    /// The same, the first time from these offsets on.
    BacklogFrom { next: Vec<i64>, ends: Vec<i64> },
    /// As many of the newest.
    Newest(i64),
    /// What comes from now on.
    Tail,
}

/// What was read.
#[derive(Debug, Clone)]
pub(crate) struct Consumed {
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
    /// Of each partition, what would have been read next.
    pub(crate) next: Vec<i64>,
    /// How often it had to ask again.
    pub(crate) refused: u64,
}

impl Consumed {
    /// Decimal megabytes per second.
    pub(crate) fn mb_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn gib(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 30)
    }
}

impl Consumer {
    /// Reads once, unpaced, 1 MiB per fetch: what scenarios change from there.
    pub(crate) fn new(address: SocketAddr, topic: &str, partitions: i32, span: Span) -> Self {
        Self {
            address,
            topic: topic.to_owned(),
            partitions,
            span,
            lasting: None,
            rate: None,
            fetch_bytes: 1 << 20,
            group: "replay",
            gives_way: false,
            asks_again: false,
            watch: None,
        }
    }

    /// Reads all partitions at the same time.
    pub(crate) fn run(&self) -> Result<Consumed> {
        let start = Instant::now();
        let readers: Vec<_> = (0..self.partitions)
            .map(|partition| {
                let consumer = self.clone();
                thread::spawn(move || Reader::open(&consumer, partition, start)?.run())
            })
            .collect();
        let mut all = Consumed { bytes: 0, elapsed: Duration::ZERO, next: Vec::new(), refused: 0 };
        for reader in readers {
            let read = reader.join().ok().context("a consumer panicked")??;
            all.bytes += read.bytes;
            all.refused += read.refused;
            all.next.extend(read.next);
        }
        Ok(Consumed { elapsed: start.elapsed(), ..all })
    }

    /// Where each partition's log ends now.
    pub(crate) fn ends(&self) -> Result<Vec<i64>> {
        let start = Instant::now();
        (0..self.partitions).map(|partition| Reader::open(self, partition, start)?.end()).collect()
    }
}

/// One partition's thread.
struct Reader<'a> {
    consumer: &'a Consumer,
    partition: i32,
    link: Link,
    start: Instant,
    bytes: u64,
    refused: u64,
    /// When the next fetch is due, with a rate.
    due: Duration,
}

/// A connection and the answer that came last.
struct Link {
    stream: Stream,
    answer: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn open(consumer: &'a Consumer, partition: i32, start: Instant) -> Result<Self> {
        if consumer.gives_way {
            rustix::process::setpriority_process(None, NICENESS)?;
        }
        let link = Link { stream: Security::default().dial(consumer.address)?, answer: Vec::new() };
        let (bytes, refused, due) = (0, 0, Duration::ZERO);
        Ok(Self { consumer, partition, link, start, bytes, refused, due })
    }

    /// Of its one partition.
    fn run(mut self) -> Result<Consumed> {
        let index = usize::try_from(self.partition)?;
        let mut is_first = true;
        loop {
            let span = match &self.consumer.span {
                Span::BacklogFrom { next, ends } if is_first => next[index]..ends[index],
                Span::Backlog(ends) | Span::BacklogFrom { ends, .. } => 0..ends[index],
                Span::Newest(count) => {
                    let end = self.end()?;
                    (end - count).max(0)..end
                }
                Span::Tail => self.end()?..i64::MAX,
            };
            let next = self.lap(&span)?;
            if self.consumer.lasting.is_none() || self.is_over() {
                let Self { bytes, refused, start, .. } = self;
                return Ok(Consumed { bytes, elapsed: start.elapsed(), next: vec![next], refused });
            }
            is_first = false;
        }
    }

    /// Where the partition ends now.
    fn end(&mut self) -> Result<i64> {
        self.link.ask(&list_end(&self.consumer.topic, self.partition))?;
        let (error, end) = listed_end(&self.link.answer).context("a ListOffsets answer")?;
        ensure!(error == 0, "error {error} of {}", self.partition);
        Ok(end)
    }

    fn lap(&mut self, span: &Range<i64>) -> Result<i64> {
        let (consumer, partition) = (self.consumer, self.partition);
        let mut next = span.start;
        while next < span.end && !self.is_over() {
            thread::sleep(self.due.saturating_sub(self.start.elapsed()));
            let fetched = self.link.fetch(consumer, partition, next, consumer.fetch_bytes)?;
            if consumer.asks_again && fetched.error == STORAGE_ERROR {
                self.refused += 1;
                thread::sleep(RETRY_BACKOFF);
                continue;
            }
            ensure!(fetched.error == 0, "error {} at {partition}/{next}", fetched.error);
            let (mut bytes, from) = (0, next);
            for (base, last, length) in fetched.batches() {
                // The first batch of a lap may begin below the offset, which lies in it.
                let follows = base == next || (next == span.start && base < next && next <= last);
                ensure!(follows, "offset {base} instead of {next} in {partition}");
                next = last + 1;
                // Answers may go beyond the end, by as much as they please.
                bytes += if base < span.end { length as u64 } else { 0 };
            }
            ensure!(next > from || fetched.is_empty(), "no whole batch at {partition}/{next}");
            self.took(bytes);
        }
        Ok(next)
    }

    fn took(&mut self, bytes: u64) {
        self.bytes += bytes;
        if let Some((timeline, flow)) = &self.consumer.watch {
            timeline.read(*flow, bytes);
        }
        if let Some(rate) = self.consumer.rate {
            let share = rate / f64::from(self.consumer.partitions);
            self.due = self.due.max(self.start.elapsed().saturating_sub(BURST))
                + Duration::from_secs_f64(bytes as f64 / share);
        }
    }

    fn is_over(&self) -> bool {
        self.consumer.lasting.is_some_and(|lasting| self.start.elapsed() >= lasting)
    }
}

impl Link {
    fn fetch(
        &mut self,
        consumer: &Consumer,
        partition: i32,
        offset: i64,
        bytes: i32,
    ) -> Result<Fetched<'_>> {
        let request = fetch(consumer.group, &consumer.topic, partition, offset, bytes);
        self.ask(&request)?;
        fetched(&self.answer).context("a fetch answer")
    }

    fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request)?;
        read_frame(&mut self.stream, &mut self.answer)
    }
}
