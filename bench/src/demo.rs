//! `thermocline-bench demo`: the claim in one minute. One node with embedded defaults takes a steady
//! load, a consumer tails it, and then another one replays everything from earliest at full speed,
//! again and again. Drawn while it happens; at the end the latencies before and meanwhile.
//!
//! The hot cache is a small part of what is replayed, so the replay is cold, and the node's metrics
//! say how much of it was.

mod screen;

use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use thermocline_tests::dev::Dev;

use crate::consume::{Consumed, Consumer, Span};
use crate::demo::screen::Screen;
use crate::histogram::Histogram;
use crate::load::{BENCH, Load, Outcome};
use crate::procfs;
use crate::timeline::{Flow, Slot, Timeline};
use crate::wire::Security;

const PARTITIONS: i32 = 4;
/// 16 times the hot cache.
const BACKLOG: u64 = 1 << 30;
const HOT_CACHE: &str = "64MiB";
/// Room for some seconds in which nothing is uploaded.
const WAL: &str = "256MiB";
/// Bytes per second, a fraction of what one core can do: the demo is about latency.
const RATE: f64 = 20e6;
/// Columns of the picture.
const SECOND: Duration = Duration::from_secs(1);
/// Seconds before the clock of "before" starts.
const WARM_UP: usize = 3;
const ALONE: usize = 15;
const REPLAY: usize = 25;

/// Runs the demonstration and draws it on standard output.
pub(crate) fn run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut out = io::stdout();
    writeln!(out, "starting one node with a hot cache of {HOT_CACHE} ...")?;
    let node = Dev::start(dir.path(), &["--hot-cache", HOT_CACHE, "--wal-size", WAL])?;
    let load = Load {
        address: node.kafka,
        topic: "demo".to_owned(),
        partitions: PARTITIONS,
        connections: PARTITIONS as usize,
        window: 64,
        records_per_batch: 16,
        record_len: 1008,
        duration: SECOND,
        rate: None,
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    load.create_topic()?;
    writeln!(out, "producing {:.1} GB to have something to replay ...", BACKLOG as f64 / 1e9)?;
    load.fill(BACKLOG)?;
    let watched = watch(&node, &load, Screen::new(io::stdout().is_terminal()))?;
    out.write_all(watched.summary()?.as_bytes())?;
    Ok(())
}

/// What there was to see.
struct Watched {
    slots: Vec<Slot>,
    produced: Outcome,
    replayed: Consumed,
    /// Bytes that the cold reader answered with, and that it read from the object store for them.
    cold: f64,
    stored: f64,
    /// Share of the machine's CPU time that others had.
    foreign: f64,
}

/// The two acts, drawn once a second.
fn watch(node: &Dev, load: &Load, mut screen: Screen) -> Result<Watched> {
    let backlog = Span::Backlog(consumer(load, Span::Tail).ends()?);
    let timeline = Timeline::new(SECOND);
    let seconds = |count: usize| SECOND * count as u32;
    let cold = || node.metric("cold_reader_fetch_bytes_total", "");
    let stored = || node.metric("cold_reader_get_bytes_total", "");
    let foreign = || {
        let node = procfs::cpu_seconds(node.process.id())?;
        Ok::<_, anyhow::Error>(procfs::machine_busy_seconds()? - procfs::own_cpu_seconds()? - node)
    };
    let others = foreign()?;
    thread::scope(|scope| {
        let producing = scope.spawn(|| {
            let (rate, watch) = (Some(RATE), Some(timeline.clone()));
            Load { rate, watch, duration: seconds(ALONE + REPLAY), ..load.clone() }.run()
        });
        let tailing = scope.spawn(|| {
            let watch = Some((timeline.clone(), Flow::Tail));
            let lasting = Some(seconds(ALONE + REPLAY));
            Consumer { watch, lasting, ..consumer(load, Span::Tail) }.run()
        });
        draw(&timeline, ALONE, &mut screen)?;
        let before = (cold()?, stored()?);
        let replaying = scope.spawn(|| {
            let watch = Some((timeline.clone(), Flow::Replay));
            let (lasting, gives_way) = (Some(seconds(REPLAY)), true);
            Consumer { watch, lasting, gives_way, ..consumer(load, backlog) }.run()
        });
        draw(&timeline, ALONE + REPLAY, &mut screen)?;
        let produced = producing.join().ok().context("the producer panicked")??;
        tailing.join().ok().context("the tail panicked")??;
        let replayed = replaying.join().ok().context("the replay panicked")??;
        ensure!(produced.errors == 0, "{} requests failed", produced.errors);
        let (cold, stored) = (cold()? - before.0, stored()? - before.1);
        let capacity = seconds(ALONE + REPLAY).as_secs_f64() * procfs::cores();
        let foreign = (foreign()? - others) / capacity;
        Ok(Watched { slots: timeline.past(), produced, replayed, cold, stored, foreign })
    })
}

/// Draws every second until there are `count` of them.
fn draw(timeline: &Timeline, count: usize, screen: &mut Screen) -> Result<()> {
    loop {
        let slots = timeline.past();
        screen.show(&mut io::stdout(), &slots)?;
        if slots.len() >= count {
            return Ok(());
        }
        thread::sleep(SECOND / 4);
    }
}

fn consumer(load: &Load, span: Span) -> Consumer {
    Consumer::new(load.address, &load.topic, load.partitions, span)
}

impl Watched {
    fn summary(&self) -> Result<String> {
        let act = |slots: std::ops::Range<usize>| -> Result<(Histogram, f64)> {
            let seconds = slots.len() as f64;
            let slots = self.slots.get(slots).context("seconds without a slot")?;
            let mut latency = Histogram::new();
            slots.iter().for_each(|slot| latency.merge(&slot.latency));
            let bytes: u64 = slots.iter().map(|slot| slot.bytes(Flow::Produce)).sum();
            Ok((latency, bytes as f64 / 1e6 / seconds))
        };
        let (before, rate_before) = act(WARM_UP..ALONE)?;
        let (meanwhile, rate_meanwhile) = act(ALONE..ALONE + REPLAY)?;
        let line = |name: &str, share: f64| {
            let (a, b) = (before.percentile_ms(share), meanwhile.percentile_ms(share));
            format!("  produce {name}   {a:10.2} ms     {b:10.2} ms     {:.2} x\n", b / a)
        };
        let replayed = self.replayed.bytes as f64;
        Ok(format!(
            "\n                     before           during the replay\n{}{}\
             \x20 produced      {rate_before:10.2} MB/s   {rate_meanwhile:10.2} MB/s   {:.2} x\n\n\
             The replay read {:.1} GB at {:.0} MB/s, {:.1} times what lay there when it began.\n\
             {:.1} % of that came from the cold reader, which read {:.1} GB from the object store;\n\
             the node served the rest from its hot cache of {HOT_CACHE}. Every offset came once and in\n\
             order, and {} produces were answered without an error. Other programs had {:.0} % of this\n\
             machine's CPU: above 10 % the latencies are theirs as well.\n",
            line("p50", 0.5),
            line("p99", 0.99),
            rate_meanwhile / rate_before,
            replayed / 1e9,
            self.replayed.mb_per_second(),
            replayed / BACKLOG as f64,
            (self.cold / replayed * 100.0).min(100.0),
            self.stored / 1e9,
            self.produced.requests,
            self.foreign.max(0.0) * 100.0,
        ))
    }
}
