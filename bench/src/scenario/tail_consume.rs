//! `tail-consume`: the newest records, which are in the node's memory, read by one group and by ten,
//! through gateway and node, as fast as answers come.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::consume::{Consumed, Consumer, Span};
use crate::load::{BENCH, Load};
use crate::procfs;
use crate::report::{Report, Row};
use crate::scenario::Options;
use crate::subject::Subject;
use crate::wire::Security;

const TOPIC: &str = "tail";
const PARTITIONS: i32 = 4;
/// Well within the node's hot cache of 512 MiB.
const FILLED: u64 = 256 << 20;
/// Of each partition; a quarter of what is there, so that all of it is in memory.
const NEWEST: i64 = 16_384;

/// A stretch of reading.
struct Taken {
    bytes: f64,
    seconds: f64,
    cpu_s: f64,
}

impl Taken {
    fn gb_s(&self) -> f64 {
        self.bytes / 1e9 / self.seconds
    }

    fn cpu_s_per_gib(&self) -> f64 {
        self.cpu_s / (self.bytes / f64::from(1 << 30))
    }
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let subject = Subject::start(dir.path())?;
    let load = Load {
        address: subject.address,
        topic: TOPIC.to_owned(),
        partitions: PARTITIONS,
        connections: 4,
        window: 5,
        records_per_batch: 64,
        record_len: 1008,
        duration: Duration::from_secs(1),
        rate: None,
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    load.create_topic()?;
    load.fill(FILLED)?;
    let (mut one, mut ten) = (Vec::new(), Vec::new());
    for _ in 0..options.repeats {
        one.push(read(&subject, 1, options.seconds)?);
        ten.push(read(&subject, 10, options.seconds)?);
    }
    let each = |of: &[Taken], figure: fn(&Taken) -> f64| of.iter().map(figure).collect::<Vec<_>>();
    let rows = vec![
        Row::median("tail_gb_s", "GB/s", "higher", each(&one, Taken::gb_s)).target(0.6, 1.0),
        Row::median("cpu_s_per_gib", "CPU-s/GiB", "lower", each(&one, Taken::cpu_s_per_gib))
            .target(1.3, 0.9),
        Row::median("ten_groups_gb_s", "GB/s", "higher", each(&ten, Taken::gb_s)),
        Row::median(
            "ten_groups_cpu_s_per_gib",
            "CPU-s/GiB",
            "lower",
            each(&ten, Taken::cpu_s_per_gib),
        ),
    ];
    Ok(Report::new("tail-consume", f64::NAN, rows))
}

fn read(subject: &Subject, groups: usize, seconds: u64) -> Result<Taken> {
    let consumer = Consumer {
        lasting: Some(Duration::from_secs(seconds)),
        ..Consumer::new(subject.address, TOPIC, PARTITIONS, Span::Newest(NEWEST))
    };
    let cpu = || -> Result<f64> { subject.pids().into_iter().map(procfs::cpu_seconds).sum() };
    let before = cpu()?;
    let threads: Vec<_> = (0..groups)
        .map(|_| {
            let consumer = consumer.clone();
            thread::spawn(move || consumer.run())
        })
        .collect();
    let mut read: Vec<Consumed> = Vec::new();
    for thread in threads {
        read.push(thread.join().ok().context("a group panicked")??);
    }
    let seconds = read.iter().map(|it| it.elapsed.as_secs_f64()).fold(0.0, f64::max);
    let bytes = read.iter().map(|it| it.bytes as f64).sum();
    Ok(Taken { bytes, seconds, cpu_s: cpu()? - before })
}
