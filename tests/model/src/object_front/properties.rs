//! What must never happen, and what must be possible.

use stateright::Property;

use super::ObjectFront;
use super::state::{INCARNATIONS, Role, State};
use crate::seq_log::SeqLog;

/// Every acknowledged record is read back at the offset it was acknowledged with.
pub const ACKED_STAYS: &str = "an acknowledged record stays at its offset";
/// Each owner starts where its predecessor's log ends.
pub const NO_GAP_NO_REUSE: &str = "owners' offsets meet without gap or overlap";
/// No two producers were promised the same offset.
pub const ONE_VALUE_PER_OFFSET: &str = "an offset is acknowledged for one value";

pub(super) fn invariants() -> Vec<Property<ObjectFront>> {
    vec![
        Property::always(ACKED_STAYS, |_, state| acked_stays(state)),
        Property::always(NO_GAP_NO_REUSE, |_, state: &State| state.partition().is_some()),
        Property::always(ONE_VALUE_PER_OFFSET, |_, state| one_value_per_offset(state)),
    ]
}

/// The situations that the protocol is made for; unreached, the invariants say nothing.
pub(super) fn situations() -> Vec<Property<ObjectFront>> {
    vec![
        Property::sometimes("every incarnation owns in turn and acknowledges", |_, state| {
            all_own_and_acknowledge(state)
        }),
        Property::sometimes("two standbys race for a claim", |_, state: &State| {
            let claiming = |role| matches!(role, Role::Claiming { .. });
            state.nodes.iter().filter(|node| claiming(node.role)).count() == 2
        }),
        Property::sometimes("a zombie learns from END that it is fenced", |_, state: &State| {
            state.nodes.iter().any(|node| node.role == Role::Fenced)
        }),
        Property::sometimes("a late PUT lands behind END", |_, state: &State| {
            state.logs.iter().any(|log| log.end().is_some_and(|end| end + 1 < log.after_highest()))
        }),
        Property::sometimes("the repetition of an acknowledged PUT is refused", |_, state| {
            repetition_refused(state)
        }),
        Property::sometimes("a zombie creates a deleted slot again", |_, state: &State| {
            state.logs.iter().any(deleted_and_created_again)
        }),
    ]
}

fn acked_stays(state: &State) -> bool {
    state.partition().is_none_or(|values| {
        state.acked.iter().all(|(offset, value)| values.get(usize::from(*offset)) == Some(value))
    })
}

fn one_value_per_offset(state: &State) -> bool {
    // The set is ordered: promises of the same offset are neighbours.
    let offsets = || state.acked.iter().map(|(offset, _)| offset);
    offsets().zip(offsets().skip(1)).all(|(one, next)| one != next)
}

fn all_own_and_acknowledge(state: &State) -> bool {
    state.manifest.chain.len() == INCARNATIONS
        && state.nodes.iter().all(|node| node.pipeline.iter().any(|record| record.acked))
}

/// END went to the first hole, so a hole that lies before it was made by deleting.
fn deleted_and_created_again(log: &SeqLog<u8>) -> bool {
    let first = log.data_slots().next();
    log.end().is_some_and(|end| first.is_some_and(|first| log.first_hole() < first && first < end))
}

fn repetition_refused(state: &State) -> bool {
    state.network.refused.iter().any(|(log, slot)| {
        let sent = state.nodes[*log].pipeline.get(usize::from(*slot));
        sent.is_some_and(|record| record.acked)
    })
}
