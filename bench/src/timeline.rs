//! What happened when: latencies and bytes in slots of time. Load and consumers fill it while they
//! run, whoever draws reads it, live or afterwards.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Instant;
use crate::histogram::Histogram;

/// Whose bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flow {
    Produce,
    Tail,
    Replay,
}

/// One slot of time.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// Of produces that were answered in it.
    pub(crate) latency: Histogram,
    /// By [`Flow`].
    pub(crate) bytes: [u64; 3],
}

/// Slots of one length from a start on. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    start: Instant,
    slot: Duration,
    slots: Arc<Mutex<Vec<Slot>>>,
}

impl Timeline {
    pub(crate) fn new(slot: Duration) -> Self {
        Self { start: Instant::now(), slot, slots: Arc::default() }
    }

    /// A produce was answered just now.
    pub(crate) fn acknowledged(&self, latency: Duration, bytes: u64) {
        self.now(|slot| {
            slot.latency.record(latency);
            slot.bytes[Flow::Produce as usize] += bytes;
        });
    }

    /// Bytes arrived at a consumer just now.
    pub(crate) fn read(&self, flow: Flow, bytes: u64) {
        self.now(|slot| slot.bytes[flow as usize] += bytes);
    }

    /// The slots that are over.
    pub(crate) fn past(&self) -> Vec<Slot> {
        let index = self.index();
        let mut slots = self.slots.lock();
        reach(&mut slots, index);
        slots[..index].to_vec()
    }

    fn now(&self, change: impl FnOnce(&mut Slot)) {
        let index = self.index();
        let mut slots = self.slots.lock();
        reach(&mut slots, index);
        change(&mut slots[index]);
    }

    fn index(&self) -> usize {
        (self.start.elapsed().as_nanos() / self.slot.as_nanos()) as usize
    }
}

impl Slot {
    pub(crate) fn bytes(&self, flow: Flow) -> u64 {
        self.bytes[flow as usize]
    }
}

/// Slots in which nothing happened exist as well.
fn reach(slots: &mut Vec<Slot>, index: usize) {
    while slots.len() <= index {
        slots.push(Slot { latency: Histogram::new(), bytes: [0; 3] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_slots_are_there_and_the_running_one_is_not_past() {
        let timeline = Timeline::new(Duration::from_hours(1));
        timeline.read(Flow::Tail, 7);
        assert!(timeline.past().is_empty());
        let long_ago = Instant::now() - Duration::from_mins(150);
        let timeline = Timeline { start: long_ago, ..timeline };
        timeline.acknowledged(Duration::from_millis(1), 5);
        let past = timeline.past();
        assert_eq!(past.iter().map(|slot| slot.bytes(Flow::Tail)).collect::<Vec<_>>(), [7, 0]);
        assert_eq!(timeline.slots.lock()[2].bytes(Flow::Produce), 5);
    }
}
