//! A drainer: wait for the lease, read the front, cover it in the data log, END.

use super::state::{Span, State};
use super::{Action, Drain};
use crate::mutation::DrainMutation::{DrainBeforeExpiry, LeoFromSnapshot};
use crate::seq_log::Entry;

impl Drain {
    pub(super) fn drainer_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let covered = state.covered();
        for (drainer, snapshot) in state.snapshots.iter().enumerate() {
            match snapshot {
                // R4: not before every acknowledgement under the lease is decided.
                None if !state.lease || self.misses(DrainBeforeExpiry) => {
                    actions.push(Action::Snapshot(drainer));
                }
                Some(span) if !state.log.has_end() && covered < span.to => {
                    actions.push(Action::Upload(drainer));
                }
                Some(_) if !state.log.has_end() => actions.push(Action::End),
                _ => {}
            }
        }
    }

    pub(super) fn snapshot(&self, state: &mut State, drainer: usize) {
        state.snapshots[drainer] = Some(Span { from: state.trimmed, to: state.durable });
        if self.misses(LeoFromSnapshot) && state.decided_end.is_none() {
            state.decided_end = Some(state.durable.max(state.covered()));
        }
    }
}

impl State {
    /// Whoever takes the slot first, the log stays a prefix: a refused drainer reads on and
    /// tries the next slot, so looking and creating may count as one step.
    pub(super) fn drain(&mut self, drainer: usize) {
        let covered = self.covered();
        let Some(Span { from, to }) = self.snapshots[drainer] else {
            return;
        };
        if from <= covered {
            self.log.create(self.log.first_hole(), Entry::Data(Span { from: covered, to }));
        }
    }

    /// R26: END decides, together with the slots before it.
    pub(super) fn end(&mut self) {
        self.log.create(self.log.first_hole(), Entry::End);
        let end = self.covered();
        self.decided_end.get_or_insert(end);
    }
}
