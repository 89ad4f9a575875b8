//! What must never happen, and what must be possible.

use stateright::Property;

use super::Drain;
use super::state::{Record, State};

/// The next owner serves every acknowledged record.
pub const ACKED_DRAINED: &str = "behind END, the log holds every acknowledged record";
/// Offsets from there on were never used; nothing comes back to life below it.
pub const DECIDED_END: &str = "the next owner appends where the ended log ends";
/// Between front and log nothing falls out.
pub const TRIM_COVERED: &str = "the front is trimmed only below what the log covers";
/// Consumers of the log never see what a restart of the front would not know.
pub const ONLY_DURABLE: &str = "the log holds only what was durable in the front";

pub(super) fn invariants() -> Vec<Property<Drain>> {
    vec![
        Property::always(ACKED_DRAINED, |_, state| acked_drained(state)),
        Property::always(DECIDED_END, |_, state: &State| {
            !state.log.has_end() || state.decided_end == Some(state.covered())
        }),
        Property::always(TRIM_COVERED, |_, state: &State| state.trimmed <= state.covered()),
        Property::always(ONLY_DURABLE, |_, state: &State| state.covered() <= state.durable),
    ]
}

/// The situations that the protocol is made for; unreached, the invariants say nothing.
pub(super) fn situations() -> Vec<Property<Drain>> {
    vec![
        Property::sometimes("a log with two acknowledged records is ended", |_, state: &State| {
            let acked = state.records.iter().filter(|record| **record == Record::Acknowledged);
            state.log.has_end() && acked.count() == 2
        }),
        Property::sometimes(
            "a durable record without acknowledgement is drained",
            |_, state: &State| state.log.has_end() && drained(state).contains(&Record::Unknown),
        ),
        Property::sometimes("the zombie writes on behind END", |_, state: &State| {
            state.log.has_end() && state.covered() < state.durable
        }),
        Property::sometimes("the zombie's upload finds its slot taken", |_, state: &State| {
            state.uploader.fenced
        }),
        Property::sometimes("two drainers read different fronts", |_, state: &State| {
            let [one, other] = state.snapshots;
            state.log.has_end() && one.is_some() && other.is_some() && one != other
        }),
    ]
}

fn acked_drained(state: &State) -> bool {
    let covered = usize::from(state.covered());
    let mut behind = state.records.iter().skip(covered);
    !state.log.has_end() || behind.all(|record| *record != Record::Acknowledged)
}

fn drained(state: &State) -> &[Record] {
    &state.records[..usize::from(state.covered())]
}
