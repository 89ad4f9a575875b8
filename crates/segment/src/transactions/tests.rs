//! Histories cut into parts in every way say the same as the whole.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use protocol::batch::{BatchBuilder, EndTransactionMarker};
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};

use super::*;
use crate::index::IndexSnapshot;
use crate::log_id::LogId;
use crate::object::{Footer, ObjectBuilder};

const ID: PartitionId = PartitionId { tenant: TenantId(1), topic: TopicId::NIL, index: 0 };

/// What happens at one offset.
#[derive(Debug, Clone, Copy)]
enum Event {
    Data(i64),
    End(i64, bool),
}

use Event::{Data, End};

/// The index of a log with events at `base`, `base + 1` and so on.
fn folded(base: i64, events: &[Event]) -> PartitionIndex {
    folded_in_turns(&[(base, events)])
}

/// The same for a log that the partition left and came back to: each turn is a segment.
fn folded_in_turns(turns: &[(i64, &[Event])]) -> PartitionIndex {
    let mut index = IndexSnapshot::empty(LogId::fresh(NodeId(1), 1, 1));
    for (slot, (base, events)) in (1..).zip(turns) {
        index.add_segment(slot, &footer(*base, events));
    }
    index.partitions.remove(&ID).unwrap_or_default()
}

fn footer(base: i64, events: &[Event]) -> Footer {
    let mut object = ObjectBuilder::new();
    for (offset, event) in (base..).zip(events) {
        let batch = match *event {
            Data(producer) => BatchBuilder::new()
                .at(offset, 0)
                .producer(producer, 0, i32::try_from(offset).unwrap())
                .transactional()
                .record(0, None, None)
                .build(),
            End(producer, commit) => {
                let marker = EndTransactionMarker { commit, coordinator_epoch: 1 };
                let mut batch = marker.batch(producer, 0, 0).to_vec();
                protocol::batch::set_offsets(&mut batch, offset, 0);
                batch.into()
            }
        };
        object.add(ID, batch).unwrap();
    }
    let (_, footer) = object.finish_plain(0..1);
    footer
}

/// What a snapshot taken at the end of `events` says.
fn snapshot(events: &[Event]) -> PartitionProducers {
    let PartitionIndex { mut producers, aborted, .. } = folded(0, events);
    producers.iter_mut().for_each(|state| state.first_end = None);
    PartitionProducers { producers, aborted }
}

fn history(
    snapshot: Option<(&PartitionProducers, i64)>,
    parts: &[PartitionIndex],
) -> TransactionHistory {
    let mut history = TransactionHistory::default();
    if let Some((known, upto)) = snapshot {
        history.add_snapshot(known, upto);
    }
    parts.iter().for_each(|part| history.add_part(part));
    history
}

fn open(history: &TransactionHistory) -> Vec<(i64, i64)> {
    history.open().collect()
}

fn aborted(history: &TransactionHistory) -> Vec<(i64, i64, i64)> {
    history.aborted().map(|it| (it.producer_id, it.first_offset, it.last_offset)).collect()
}

#[test]
fn a_transaction_that_spans_logs_is_one() {
    let parts =
        [folded(0, &[Data(7), Data(8)]), folded(2, &[Data(7), End(7, false), End(8, true)])];
    let history = history(None, &parts);
    assert_eq!(open(&history), []);
    assert_eq!(aborted(&history), [(7, 0, 3)]);
    assert_eq!(history.stable_upto(), 5);
}

/// The log of a node that was killed, folded whole, when the partition had been there twice.
#[test]
fn what_was_open_when_a_partition_left_a_log_is_not_ended_when_it_is_back() {
    let first = [Data(7), Data(8)];
    let elsewhere = [End(7, true), Data(7), Data(8)];
    let second = [End(7, false), End(8, false), Data(9)];
    let parts =
        [folded(0, &first), folded(2, &elsewhere), folded_in_turns(&[(0, &first), (5, &second)])];
    let history = history(None, &parts);
    assert_eq!(aborted(&history), [(7, 3, 5), (8, 1, 6)], "what 7 wrote first was committed");
    assert_eq!(open(&history), [(9, 7)]);
}

#[test]
fn what_is_open_holds_back_what_follows() {
    let parts = [folded(0, &[Data(8), End(8, true), Data(7)]), folded(3, &[Data(8), End(8, true)])];
    let history = history(None, &parts);
    assert_eq!(open(&history), [(7, 2)]);
    assert_eq!(history.stable_upto(), 2);
}

/// An owner's own index names everybody it knows; who is missing was forgotten, and so had
/// nothing open.
#[test]
fn a_complete_part_closes_what_it_does_not_name() {
    let complete =
        PartitionIndex { end_offset: 9, producers_complete: true, ..folded(3, &[Data(8)]) };
    let history = history(None, &[folded(0, &[Data(7)]), complete]);
    assert_eq!(open(&history), [(8, 3)]);
}

#[test]
fn a_complete_part_older_than_the_snapshot_says_nothing_of_what_is_open() {
    let events = [Data(7), End(7, true), Data(8)];
    let complete = PartitionIndex { producers_complete: true, ..folded(0, &events[..1]) };
    let known = snapshot(&events);
    assert_eq!(open(&history(Some((&known, 3)), &[complete])), [(8, 2)]);
}

#[test]
fn a_reader_hears_of_what_touches_its_records() {
    let it = AbortedTransaction { producer_id: 7, first_offset: 10, last_offset: 20 };
    for (range, touches) in [(0..10, false), (0..11, true), (20..21, true), (21..30, false)] {
        assert_eq!(it.touches(&range), touches, "{range:?}");
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0..3i64, any::<bool>(), any::<bool>());
    vec(event, 1..40).prop_map(|events| {
        let events =
            events.into_iter().map(
                |(producer, end, commit)| {
                    if end { End(producer, commit) } else { Data(producer) }
                },
            );
        events.collect()
    })
}

proptest! {
    /// A partition that moves between two logs, of which only the footers are left in the end: what
    /// it was when it left one is known of that turn, the last turn in each is folded with all others.
    #[test]
    fn turns_in_two_logs_say_the_same_as_the_whole(
        events in events(), cuts in vec(0usize..40, 0..6),
    ) {
        let whole = history(None, &[folded(0, &events)]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| *cut.min(&events.len())).collect();
        cuts.extend([0, events.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let turns: Vec<_> =
            cuts.windows(2).map(|cut| (cut[0] as i64, &events[cut[0]..cut[1]])).collect();
        let count = turns.len();
        let parts: Vec<_> = (0..count)
            .map(|turn| match turn + 2 < count {
                true => folded_in_turns(&turns[turn..=turn]),
                false => {
                    let log: Vec<_> = turns.iter().skip(turn % 2).step_by(2).copied().collect();
                    folded_in_turns(&log)
                }
            })
            .collect();
        let pieced = history(None, &parts);
        prop_assert_eq!(open(&pieced), open(&whole));
        prop_assert_eq!(aborted(&pieced), aborted(&whole));
    }

    /// Wherever logs ended, and whatever a snapshot of some later time knew already.
    #[test]
    fn parts_and_overlapping_snapshots_say_the_same_as_the_whole(
        events in events(), cuts in vec(0usize..40, 0..4), from in 0usize..40, known in 0usize..40,
    ) {
        let whole = history(None, &[folded(0, &events)]);
        let (known, from) = (known.min(events.len()), from.min(known).min(events.len()));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| from.max(*cut).min(events.len())).collect();
        cuts.extend([from, events.len()]);
        cuts.sort_unstable();
        let parts: Vec<_> = cuts
            .windows(2)
            .filter(|cut| cut[0] < cut[1])
            .map(|cut| folded(cut[0] as i64, &events[cut[0]..cut[1]]))
            .collect();
        let below = snapshot(&events[..known]);
        let pieced = history(Some((&below, known as i64)), &parts);
        prop_assert_eq!(open(&pieced), open(&whole));
        prop_assert_eq!(aborted(&pieced), aborted(&whole));
        prop_assert_eq!(pieced.stable_upto(), whole.stable_upto());
    }
}
