//! The first witness: which nodes this process has not heard well from. Pure: time is passed in.
//!
//! ```text
//! well ──► silent for `suspect_after`, or REFUSED_MAX refusals in a row ──► suspect
//!   ▲                                                                        │
//!   └───────────────────────────── a good answer ◄───────────────────────────┘
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::ids::NodeId;
use tokio::time::Instant;

use super::pings::{Answer, Pinged};
use crate::limits::REFUSED_MAX;

/// What is known of every live node.
#[derive(Debug)]
pub(super) struct Detector {
    suspect_after: Duration,
    nodes: BTreeMap<NodeId, Heard>,
    looked_at: Option<Instant>,
}

/// What was heard of one incarnation.
#[derive(Debug)]
struct Heard {
    log_id: String,
    well_at: Instant,
    refused: u32,
    /// Whether that is what it said, and not what it was credited with.
    was_well: bool,
}

impl Detector {
    pub(super) fn new(suspect_after: Duration) -> Self {
        Self { suspect_after, nodes: BTreeMap::new(), looked_at: None }
    }

    /// Takes the incarnations that should answer. New ones are well until they prove otherwise.
    ///
    /// Called at every round: if the last one is long ago, this process was asleep itself, and the
    /// silence it finds says nothing about the nodes.
    pub(super) fn follow<'a>(
        &mut self,
        now: Instant,
        live: impl Iterator<Item = (NodeId, &'a str)>,
    ) {
        let last = self.looked_at.replace(now).unwrap_or(now);
        if now.duration_since(last) > self.suspect_after / 2 {
            self.nodes.values_mut().for_each(|heard| heard.forgive(now));
        }
        let mut before = std::mem::take(&mut self.nodes);
        for (node, log_id) in live {
            let known = before.remove(&node).filter(|heard| heard.log_id == log_id);
            let new =
                || Heard { log_id: log_id.to_owned(), well_at: now, refused: 0, was_well: false };
            self.nodes.insert(node, known.unwrap_or_else(new));
        }
    }

    /// Takes an answer, or its absence.
    pub(super) fn hear(&mut self, pinged: &Pinged, now: Instant) {
        let Some(heard) = self.nodes.get_mut(&pinged.node) else { return };
        if heard.log_id != pinged.log_id {
            return;
        }
        match pinged.answer {
            Answer::Well => {
                heard.forgive(now);
                heard.was_well = true;
            }
            Answer::Refused => heard.refused += 1,
            Answer::Silent | Answer::Unwell => {}
        }
    }

    /// Whether this incarnation has ever said that it is well.
    pub(super) fn was_well(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|heard| heard.was_well)
    }

    /// The nodes that have not been well for too long.
    pub(super) fn suspects(&self, now: Instant) -> Vec<NodeId> {
        let suspects = self.nodes.iter().filter(|(_, heard)| self.suspects_one(heard, now));
        suspects.map(|(node, _)| *node).collect()
    }

    /// The others.
    pub(super) fn well(&self, now: Instant) -> Vec<NodeId> {
        let well = self.nodes.iter().filter(|(_, heard)| !self.suspects_one(heard, now));
        well.map(|(node, _)| *node).collect()
    }

    fn suspects_one(&self, heard: &Heard, now: Instant) -> bool {
        now.duration_since(heard.well_at) >= self.suspect_after || heard.refused >= REFUSED_MAX
    }
}

impl Heard {
    fn forgive(&mut self, now: Instant) {
        (self.well_at, self.refused) = (now, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_millis(200);

    fn pinged(node: i32, log_id: &str, answer: Answer) -> Pinged {
        Pinged { node: NodeId(node), log_id: log_id.to_owned(), answer }
    }

    /// Follows nodes 1 and 2 for some rounds; node 1 answers always, node 2 as told.
    fn rounds(detector: &mut Detector, from: Instant, rounds: u32, second: Answer) -> Instant {
        let mut now = from;
        for _ in 0..rounds {
            now += TICK;
            detector.follow(now, [(NodeId(1), "a"), (NodeId(2), "b")].into_iter());
            detector.hear(&pinged(1, "a", Answer::Well), now);
            detector.hear(&pinged(2, "b", second), now);
        }
        now
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_node_is_suspected_after_the_time_and_not_before() {
        let mut detector = Detector::new(SECOND);
        let now = rounds(&mut detector, Instant::now(), 1, Answer::Well);
        let now = rounds(&mut detector, now, 4, Answer::Silent);
        assert_eq!(detector.suspects(now), []);
        let now = rounds(&mut detector, now, 1, Answer::Silent);
        assert_eq!(detector.suspects(now), [NodeId(2)]);
        assert_eq!(detector.well(now), [NodeId(1)]);
        let now = rounds(&mut detector, now, 1, Answer::Well);
        assert_eq!(detector.suspects(now), []);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_in_a_row_need_no_waiting_and_one_alone_says_nothing() {
        let mut detector = Detector::new(SECOND);
        let now = rounds(&mut detector, Instant::now(), 1, Answer::Refused);
        assert_eq!(detector.suspects(now), []);
        let now = rounds(&mut detector, now, 1, Answer::Well);
        let now = rounds(&mut detector, now, REFUSED_MAX, Answer::Refused);
        assert_eq!(detector.suspects(now), [NodeId(2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_calls_itself_unwell_is_as_good_as_silent() {
        let mut detector = Detector::new(SECOND);
        let now = rounds(&mut detector, Instant::now(), 1, Answer::Well);
        let now = rounds(&mut detector, now, 5, Answer::Unwell);
        assert_eq!(detector.suspects(now), [NodeId(2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_silence_while_this_process_slept_is_nobodys_fault() {
        let mut detector = Detector::new(SECOND);
        let now = rounds(&mut detector, Instant::now(), 3, Answer::Well);
        let woken = now + SECOND * 30;
        detector.follow(woken, [(NodeId(1), "a"), (NodeId(2), "b")].into_iter());
        assert_eq!(detector.suspects(woken), []);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_incarnation_starts_with_a_clean_sheet() {
        let mut detector = Detector::new(SECOND);
        let now = rounds(&mut detector, Instant::now(), 6, Answer::Silent);
        assert_eq!(detector.suspects(now), [NodeId(2)]);
        detector.follow(now, [(NodeId(2), "c")].into_iter());
        detector.hear(&pinged(2, "b", Answer::Refused), now);
        detector.hear(&pinged(2, "b", Answer::Refused), now);
        assert_eq!(detector.suspects(now), [], "nor does it inherit late answers");
        assert!(!detector.was_well(NodeId(2)), "nor what the one before said");
    }
}
