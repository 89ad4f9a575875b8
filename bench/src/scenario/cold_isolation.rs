//! `cold-isolation`: what a replay does to producers. 50 MiB/s are produced all the time: alone,
//! beside an unthrottled replay, beside one held at 200 MB/s, and beside a hot reader at the rate of
//! the unthrottled one. Apache Kafka does the same in the same run.
//!
//! A ratio is that of two phases of one repetition, of the same system. The hot reader is the
//! control: whatever it costs as well is CPU that all share on this machine, not the cold path.

mod phase;
mod system;

use std::time::Duration;

use anyhow::Result;

use self::phase::{PHASES, Phase, SLOT, repetition};
use self::system::System;
use crate::chart::{Chart, Curve};
use crate::report::{Report, Row};
use crate::scenario::Options;

/// Before what counts: Kafka compiles its code while it runs.
const WARM_UP: Duration = Duration::from_secs(3);

/// Where the phases are in a repetition.
const ALONE: usize = 0;
const UNTHROTTLED: usize = 1;
const HELD: usize = 2;
const HOT_READER: usize = 3;

/// One system's repetitions.
struct Taken {
    name: &'static str,
    label: String,
    repetitions: Vec<Vec<Phase>>,
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut taken = Vec::new();
    // One after the other: the backlog of both would be twice the disk, and page cache of neither.
    let dir = tempfile::tempdir()?;
    taken.push(Taken::take(system::thermocline(dir.path())?, options)?);
    drop(dir);
    let dir = tempfile::tempdir()?;
    if let Some(kafka) = system::kafka(dir.path())? {
        taken.push(Taken::take(kafka, options)?);
    }
    let rows = taken.iter().flat_map(Taken::rows).collect();
    let phases = taken.iter().flat_map(|taken| taken.repetitions.iter().flatten());
    let mut foreign: Vec<f64> = phases.map(|phase| phase.foreign).collect();
    foreign.sort_by(f64::total_cmp);
    Ok(Report::new("cold-isolation", foreign[foreign.len() / 2], rows)
        .with_chart(chart(&taken, options)))
}

impl Taken {
    fn take(mut system: System, options: &Options) -> Result<Self> {
        repetition(&mut system, WARM_UP)?;
        let lasting = Duration::from_secs(options.seconds);
        let repetitions = (0..options.repeats)
            .map(|_| repetition(&mut system, lasting))
            .collect::<Result<_>>()?;
        Ok(Self { name: system.name, label: system.label.clone(), repetitions })
    }

    fn each(&self, figure: impl Fn(&[Phase]) -> f64) -> Vec<f64> {
        self.repetitions.iter().map(|phases| figure(phases)).collect()
    }

    fn p99_ratio(&self, phase: usize) -> Vec<f64> {
        self.each(|phases| phases[phase].p99_ms() / phases[ALONE].p99_ms())
    }

    fn rows(&self) -> Vec<Row> {
        let rate = |phase: &Phase| phase.produced.mb_per_second();
        let kept = self.each(|phases| rate(&phases[UNTHROTTLED]) / rate(&phases[ALONE]) * 100.0);
        let ratio = |name: &str, phase| Row::median(name, "ratio", "lower", self.p99_ratio(phase));
        let mut rows = if self.name == "kafka" {
            vec![
                ratio("kafka_p99_ratio", UNTHROTTLED),
                ratio("kafka_p99_ratio_200", HELD),
                ratio("kafka_p99_ratio_hot_reader", HOT_READER),
                Row::median("kafka_rate_kept", "%", "higher", kept),
            ]
        } else {
            vec![
                ratio("produce_p99_ratio_unthrottled", UNTHROTTLED).target(2.0, 1.3),
                ratio("produce_p99_ratio_200", HELD).target(1.25, 1.05),
                ratio("produce_p99_ratio_hot_reader", HOT_READER),
                Row::median("produce_rate_kept", "%", "higher", kept).target(99.5, 100.0),
            ]
        };
        rows.extend(self.details());
        rows
    }

    /// What the ratios are made of.
    fn details(&self) -> Vec<Row> {
        let row = |name: String, unit, better, figure: &dyn Fn(&[Phase]) -> f64| {
            Row::median(&format!("{}_{name}", self.name), unit, better, self.each(figure))
        };
        let mut rows = Vec::new();
        for (index, beside) in PHASES.iter().enumerate() {
            let name = beside.name();
            for (percentile, share) in [("p50", 0.5), ("p99", 0.99)] {
                rows.push(row(format!("{percentile}_{name}"), "ms", "lower", &|phases| {
                    phases[index].produced.latency.percentile_ms(share)
                }));
            }
            if index != ALONE {
                let read = |phases: &[Phase]| phases[index].read_mb_per_second();
                rows.push(row(format!("read_{name}"), "MB/s", "higher", &read));
                let cold = |phases: &[Phase]| phases[index].cold_percent();
                rows.push(row(format!("cold_{name}"), "% of read", "higher", &cold));
            }
        }
        rows
    }

    /// The repetition whose unthrottled ratio is the median.
    fn typical(&self) -> &[Phase] {
        let mut order: Vec<(f64, usize)> =
            self.p99_ratio(UNTHROTTLED).into_iter().zip(0..).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        &self.repetitions[order[order.len() / 2].1]
    }
}

/// Both systems' latencies over the phases of their typical repetitions.
fn chart(taken: &[Taken], options: &Options) -> Chart {
    let phase = options.seconds as f64;
    let curve = |taken: &Taken| {
        let phases = taken.typical().iter().enumerate();
        let points = phases.flat_map(|(index, measured)| {
            let begin = index as f64 * phase;
            measured.slots.iter().enumerate().filter_map(move |(slot, happened)| {
                let seconds = begin + (slot as f64 + 0.5) * SLOT.as_secs_f64();
                let p99 = happened.latency.percentile_ms(0.99);
                (p99 > 0.0).then_some((seconds, p99))
            })
        });
        Curve { name: taken.label.clone(), points: points.collect() }
    };
    let names = ["alone", "with a replay", "replay held at 200 MB/s", "hot reader at that rate"];
    Chart {
        title: format!("Produce P99 over {} ms", SLOT.as_millis()),
        unit: "ms",
        seconds: PHASES.len() as f64 * phase,
        curves: taken.iter().map(curve).collect(),
        marks: (0..).map(|index| f64::from(index) * phase).zip(names.map(str::to_owned)).collect(),
    }
}
