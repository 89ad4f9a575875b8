//! One stretch of producing at the fixed rate, with or without a consumer beside it.

use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::system::System;
use crate::consume::{Consumed, Consumer, Span};
use crate::load::{Load, Outcome};
use crate::procfs;
use crate::timeline::{Slot, Timeline};

/// Of the curves.
pub(super) const SLOT: Duration = Duration::from_millis(250);
/// Bytes per second of the replay that is held.
const HELD: f64 = 200e6;
/// Records that the hot reader reads again and again: 16 MiB of each partition, the newest.
const HOT_RECORDS: i64 = 16 << 10;
/// Between phases: what the last one left in flight ends.
const PAUSE: Duration = Duration::from_secs(1);

/// What reads beside the producers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nobody,
    Replay,
    HeldReplay,
    HotReader,
}

/// In the order of the run. The hot reader takes the rate that the replay before it had.
pub(super) const PHASES: [Beside; 4] =
    [Beside::Nobody, Beside::Replay, Beside::HeldReplay, Beside::HotReader];

/// What came of a phase.
pub(super) struct Phase {
    pub(super) produced: Outcome,
    pub(super) slots: Vec<Slot>,
    pub(super) consumed: Option<Consumed>,
    /// Bytes that came from below the memory.
    pub(super) cold: f64,
    pub(super) foreign: f64,
}

impl Beside {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nobody => "alone",
            Self::Replay => "unthrottled",
            Self::HeldReplay => "200",
            Self::HotReader => "hot_reader",
        }
    }

    fn consumer(self, system: &System, replay_rate: f64) -> Option<Consumer> {
        // From where the last one stopped: what it read last may still be in the page cache.
        let (next, ends) = (system.next.clone(), system.ends.clone());
        let backlog = || system.consumer(Span::BacklogFrom { next, ends });
        match self {
            Self::Nobody => None,
            Self::Replay => Some(backlog()),
            Self::HeldReplay => Some(Consumer { rate: Some(HELD), ..backlog() }),
            Self::HotReader => {
                let rate = Some(replay_rate);
                Some(Consumer { rate, ..system.consumer(Span::Newest(HOT_RECORDS)) })
            }
        }
    }
}

/// All phases once, one after the other.
pub(super) fn repetition(system: &mut System, lasting: Duration) -> Result<Vec<Phase>> {
    let mut phases: Vec<Phase> = Vec::new();
    for beside in PHASES {
        let rate = phases.get(1).map_or(HELD, |phase| phase.read_mb_per_second() * 1e6);
        let phase = Phase::take(system, beside.consumer(system, rate), lasting)?;
        if let (Beside::Replay | Beside::HeldReplay, Some(consumed)) = (beside, &phase.consumed) {
            system.next.clone_from(&consumed.next);
        }
        phases.push(phase);
        sleep(PAUSE);
    }
    Ok(phases)
}

impl Phase {
    fn take(system: &System, consumer: Option<Consumer>, lasting: Duration) -> Result<Self> {
        let timeline = Timeline::new(SLOT);
        let watch = Some(timeline.clone());
        let load = Load { duration: lasting, watch, ..system.load.clone() };
        // The consumer shares the machine with the system; it is no part of it.
        let consumer = consumer.map(|consumer| Consumer {
            lasting: Some(lasting),
            gives_way: true,
            ..consumer
        });
        let cpu = || system.pids.iter().map(|pid| procfs::cpu_seconds(*pid)).sum::<Result<f64>>();
        let ours = || Ok::<_, anyhow::Error>(cpu()? + procfs::own_cpu_seconds()?);
        let (cold, own, machine) = (system.cold_bytes()?, ours()?, procfs::machine_busy_seconds()?);
        let reading = consumer.map(|consumer| thread::spawn(move || consumer.run()));
        let produced = load.run()?;
        let consumed = match reading {
            Some(reading) => Some(reading.join().ok().context("the consumer panicked")??),
            None => None,
        };
        ensure!(produced.errors == 0, "{} requests to {} failed", produced.errors, system.name);
        let busy = procfs::machine_busy_seconds()? - machine - (ours()? - own);
        let elapsed =
            consumed.as_ref().map_or(produced.elapsed, |c| c.elapsed.max(produced.elapsed));
        let mut slots = timeline.past();
        slots.truncate((lasting.as_nanos() / SLOT.as_nanos()) as usize);
        Ok(Self {
            produced,
            slots,
            consumed,
            cold: system.cold_bytes()? - cold,
            foreign: (busy / (elapsed.as_secs_f64() * procfs::cores())).max(0.0),
        })
    }

    pub(super) fn p99_ms(&self) -> f64 {
        self.produced.latency.percentile_ms(0.99)
    }

    /// Percent of what the consumer read that came from below the memory.
    pub(super) fn cold_percent(&self) -> f64 {
        let read = self.consumed.as_ref().map_or(f64::NAN, |consumed| consumed.bytes as f64);
        (self.cold / read * 100.0).min(100.0)
    }

    pub(super) fn read_mb_per_second(&self) -> f64 {
        self.consumed.as_ref().map_or(0.0, |consumed| consumed.mb_per_second())
    }
}
