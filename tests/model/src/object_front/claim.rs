//! Succession: END, then read, then claim (R3).

use super::state::{Link, Role, State};
use super::{Action, ObjectFront};
use crate::mutation::ObjectFrontMutation::{ClaimFromStaleRead, EndAfterListing, NoCas, NoEnd};
use crate::seq_log::Entry;

impl ObjectFront {
    /// Suspicion needs no reason: the newest owner's log may be ended at any moment.
    pub(super) fn end_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let log = state.manifest.owner().log;
        if !state.logs[log].has_end() && !self.misses(NoEnd) {
            actions.push(Action::End(log));
        }
    }

    pub(super) fn claim_actions(&self, state: &State, node: usize, actions: &mut Vec<Action>) {
        let ended = state.logs[state.manifest.owner().log].has_end();
        let hasty = self.misses(NoEnd) || self.misses(ClaimFromStaleRead);
        match state.nodes[node].role {
            Role::Standby if ended || hasty => actions.push(Action::Read(node)),
            Role::Claiming { .. } if ended || !self.misses(ClaimFromStaleRead) => {
                actions.push(Action::Claim(node));
            }
            _ => {}
        }
    }

    /// Probes slot by slot, so END fills the first hole and no PUT that is still under way
    /// can extend the log (R20).
    pub(super) fn end(&self, state: &mut State, log: usize) {
        let log = &mut state.logs[log];
        let listed = self.misses(EndAfterListing);
        let slot = if listed { log.after_highest() } else { log.first_hole() };
        log.create(slot, Entry::End);
    }

    /// R22: the manifest changes only if it is still what was read; the loser starts over.
    pub(super) fn claim(&self, state: &mut State, node: usize) {
        let Role::Claiming { version, start } = state.nodes[node].role else {
            return;
        };
        let manifest = &mut state.manifest;
        // Without R22 a claim writes back the chain it read. Chains whose compaction would
        // be undone by that are left out: one way to lose data is enough.
        let overwrites = self.misses(NoCas) && manifest.links_compacted < version;
        if manifest.chain.len() != version && !overwrites {
            state.nodes[node].role = Role::Standby;
            return;
        }
        manifest.chain.truncate(version);
        manifest.chain.push(Link { log: node, start });
        state.nodes[node].role = Role::Owner;
        state.nodes[node].start = start;
    }
}

impl State {
    /// Manifest and log in one step: after END the log is as it will ever be, and a manifest
    /// that moves on in between costs the claim.
    pub(super) fn read(&mut self, node: usize) {
        let Link { log, start } = self.manifest.owner();
        let start = start + self.logs[log].data().count() as u8;
        self.nodes[node].role = Role::Claiming { version: self.manifest.chain.len(), start };
    }
}
