//! A consumer group that replays a topic: one blocking thread per partition, from offset 0 to a known
//! end, as fast as answers come. It checks that every offset comes once and in order.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock::Instant;
use crate::frames::{fetch, fetched};
use crate::load::{dial, read_frame};

/// What to read.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    pub(crate) address: SocketAddr,
    pub(crate) topic: String,
    /// Where each partition's replay ends.
    pub(crate) ends: Vec<i64>,
    /// Most that one fetch asks for.
    pub(crate) fetch_bytes: i32,
    /// The client id: groups share by it.
    pub(crate) group: &'static str,
}

/// What was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replayed {
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
}

impl Replayed {
    /// Decimal megabytes per second.
    pub(crate) fn mb_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn gib(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 30)
    }
}

impl Replay {
    /// Replays all partitions at the same time.
    pub(crate) fn run(&self) -> Result<Replayed> {
        let start = Instant::now();
        let readers: Vec<_> = (0..)
            .zip(&self.ends)
            .map(|(partition, end)| {
                let (replay, end) = (self.clone(), *end);
                thread::spawn(move || replay.read(partition, end))
            })
            .collect();
        let mut bytes = 0;
        for reader in readers {
            bytes += reader.join().ok().context("a consumer panicked")??;
        }
        Ok(Replayed { bytes, elapsed: start.elapsed() })
    }

    /// Where a partition's log ends now.
    pub(crate) fn high_watermark(&self, partition: i32) -> Result<i64> {
        let mut stream = dial(self.address)?;
        stream.write_all(&fetch(self.group, &self.topic, partition, 0, 1))?;
        let mut answer = Vec::new();
        read_frame(&mut stream, &mut answer)?;
        let fetched = fetched(&answer).context("a fetch answer")?;
        ensure!(fetched.error == 0, "error {} of {partition}", fetched.error);
        Ok(fetched.high_watermark)
    }

    fn read(&self, partition: i32, end: i64) -> Result<u64> {
        let mut stream = dial(self.address)?;
        let (mut answer, mut bytes, mut next) = (Vec::new(), 0, 0);
        while next < end {
            let request = fetch(self.group, &self.topic, partition, next, self.fetch_bytes);
            stream.write_all(&request)?;
            read_frame(&mut stream, &mut answer)?;
            let fetched = fetched(&answer).context("a fetch answer")?;
            ensure!(fetched.error == 0, "error {} at {partition}/{next}", fetched.error);
            for batch in fetched.batches() {
                let (base, last, length) = batch.context("a record batch")?;
                ensure!(base == next, "offset {base} instead of {next} in {partition}");
                next = last + 1;
                // Answers may go beyond the end, by as much as they please.
                bytes += if base < end { length as u64 } else { 0 };
            }
        }
        Ok(bytes)
    }
}
