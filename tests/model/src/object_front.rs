//! Model A: every record is an object, and the next owner claims after END.
//!
//! One partition, [`INCARNATIONS`] incarnations of nodes. Each may own the partition once
//! and writes to a log of its own, so a node's number is also its log's:
//!
//! ```text
//!  manifest  chain: log 0 from offset 0 ─► log 1 from offset 2 ─► …
//!                        │                       │
//!  log 0     [ a ][ b ][END][ c ]     log 1   [ d ][ e ]
//!                            └ late PUT of an immortal zombie: dead
//! ```
//!
//! A PUT may be late, be delivered any number of times, and its answer may be lost. An
//! owner may be suspected at any moment, rightly or not, and is never told. Compaction and
//! garbage collection run beside all that.

mod claim;
mod owner;
mod properties;
mod state;
mod store;

use stateright::{Model, Property};

use crate::mutation::ObjectFrontMutation;

pub use self::properties::{ACKED_STAYS, NO_GAP_NO_REUSE, ONE_VALUE_PER_OFFSET};
pub use self::state::{INCARNATIONS, Put, State};
use self::state::{Node, Role};

/// The model with its bounds.
#[derive(Clone, Debug)]
pub struct ObjectFront {
    /// The rule that is missing, if any.
    pub missing: Option<ObjectFrontMutation>,
    /// Records sent in all.
    pub records: u8,
    /// PUTs that an owner pipelines (R15).
    pub in_flight_max: usize,
}

/// A step of one process or of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The owner takes its next slot for a new record and sends the PUT.
    Send(usize),
    /// The owner sends an unanswered slot with another record; only without R14.
    Rebatch(usize, u8),
    /// A PUT arrives at the store, not necessarily for the first time.
    Deliver(Put),
    /// The owner learns that its PUT created the slot.
    Created(usize, u8),
    /// The owner learns that the slot was taken, and reads it.
    Refused(usize, u8),
    /// The owner acknowledges a slot's record.
    Acknowledge(usize, u8),
    /// Somebody suspects the log's owner and ends the log.
    End(usize),
    /// A standby reads the manifest and the log to succeed.
    Read(usize),
    /// A standby swaps the manifest.
    Claim(usize),
    /// The oldest log still needed is merged into compacted objects.
    Compact,
    /// A compacted log's slots are deleted.
    Collect(usize),
}

impl ObjectFront {
    fn misses(&self, rule: ObjectFrontMutation) -> bool {
        self.missing == Some(rule)
    }
}

impl Model for ObjectFront {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first_owner()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, Node { role, .. }) in state.nodes.iter().enumerate() {
            match role {
                Role::Owner => self.owner_actions(state, number, actions),
                Role::Standby | Role::Claiming { .. } => {
                    self.claim_actions(state, number, actions);
                }
                Role::Fenced => {}
            }
        }
        self.end_actions(state, actions);
        self.delivery_actions(state, actions);
        self.cleaning_actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Send(node) => next.send(node),
            Action::Rebatch(node, slot) => next.rebatch(node, slot),
            Action::Deliver(put) => self.deliver(&mut next, put),
            Action::Created(node, slot) => next.record_mut(node, slot).durable = true,
            Action::Refused(node, slot) => self.refused(&mut next, node, slot),
            Action::Acknowledge(node, slot) => next.acknowledge(node, slot),
            Action::End(log) => self.end(&mut next, log),
            Action::Read(node) => next.read(node),
            Action::Claim(node) => self.claim(&mut next, node),
            Action::Compact => next.compact(),
            Action::Collect(log) => self.collect(&mut next, log),
        }
        // Steps that change nothing (a repeated delivery, a lost read) lead nowhere new.
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = properties::invariants();
        if self.missing.is_none() {
            properties.extend(properties::situations());
        }
        properties
    }
}
