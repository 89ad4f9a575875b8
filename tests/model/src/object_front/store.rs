//! The object store: PUTs that arrive whenever they like, compaction, deletion.

use super::state::{Link, Put, State};
use super::{Action, ObjectFront};
use crate::mutation::ObjectFrontMutation::{GcDeletesEnd, StoreNotAtomic};
use crate::seq_log::Entry;

impl ObjectFront {
    pub(super) fn delivery_actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.network.sent.iter().copied().map(Action::Deliver));
    }

    /// R16: of all PUTs to a slot exactly one creates it.
    pub(super) fn deliver(&self, state: &mut State, put: Put) {
        let Put { log, slot, value } = put;
        if self.misses(StoreNotAtomic) {
            state.logs[log].overwrite(slot, Entry::Data(value));
            state.network.created.insert(put);
        } else if state.logs[log].create(slot, Entry::Data(value)) {
            state.network.created.insert(put);
        } else {
            state.network.refused.insert((log, slot));
        }
    }

    pub(super) fn cleaning_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let manifest = &state.manifest;
        if manifest.links_compacted + 1 < manifest.chain.len() {
            actions.push(Action::Compact);
        }
        let compacted = &manifest.chain[..manifest.links_compacted];
        actions.extend(compacted.iter().map(|link| Action::Collect(link.log)));
    }

    /// R8: END stays, or a zombie would find its next slot free.
    pub(super) fn collect(&self, state: &mut State, log: usize) {
        if self.misses(GcDeletesEnd) {
            state.logs[log].delete_all();
        } else {
            state.logs[log].delete_data();
        }
    }
}

impl State {
    pub(super) fn compact(&mut self) {
        let Link { log, start } = self.manifest.chain[self.manifest.links_compacted];
        // A chain that does not meet is an invariant broken, not something to compact.
        if usize::from(start) == self.manifest.compacted.len() {
            self.manifest.compacted.extend(self.logs[log].data());
            self.manifest.links_compacted += 1;
        }
    }
}
