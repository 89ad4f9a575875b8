//! Model B: records are durable in a front, drainers move its rest into the data log.
//!
//! The front is a volume with a lease, or a quorum that can be sealed: what matters is that
//! appends are durable in order, that a drainer can read them, and that the owner
//! acknowledges only what it finds allowed *after* the write.
//!
//! ```text
//!  records   0   1   2   3   4   5      (a record's number is its LSN and its offset)
//!  data log [0   1][2   3][END]         uploaded by the owner or by a drainer
//!  front             2   3   4          durable from `trimmed` to `durable`
//!                            └ written by the zombie after the drainer's snapshot
//! ```
//!
//! The old owner never stops: after losing its lease it writes, uploads and trims on. Two
//! drainers work at the same time from snapshots of their own. The next owner appends at
//! the log end that END decides.

mod drainer;
mod owner;
mod properties;
mod state;

use stateright::{Model, Property};

use crate::mutation::DrainMutation;

pub use self::properties::{ACKED_DRAINED, DECIDED_END, ONLY_DURABLE, TRIM_COVERED};
pub use self::state::{DRAINERS, State};

/// The model with its bounds.
#[derive(Clone, Debug)]
pub struct Drain {
    /// The rule that is missing, if any.
    pub missing: Option<DrainMutation>,
    /// Records that the old owner accepts.
    pub records: u8,
}

/// A step of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The owner accepts a record.
    Accept,
    /// The next accepted record becomes durable in the front.
    Write(u8),
    /// The owner looks at its lease, to acknowledge a durable record or to give up on it.
    CheckLease(u8),
    /// The owner acknowledges.
    Acknowledge(u8),
    /// The lease runs out. The owner notices only by looking.
    Expire,
    /// The owner sends a PUT of what the data log lacks to the log's next slot.
    StartUpload,
    /// That PUT arrives and is answered, after whatever time.
    LandUpload,
    /// The owner frees what it may in the front.
    Trim,
    /// A drainer reads the front.
    Snapshot(usize),
    /// A drainer uploads what the data log lacks of its snapshot.
    Upload(usize),
    /// A drainer that finds its snapshot covered ends the data log.
    End,
}

impl Drain {
    fn misses(&self, rule: DrainMutation) -> bool {
        self.missing == Some(rule)
    }
}

impl Model for Drain {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.record_actions(state, actions);
        self.upload_actions(state, actions);
        self.drainer_actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Accept => self.accept(&mut next),
            Action::Write(record) => self.write(&mut next, record),
            Action::CheckLease(record) => next.check_lease(record),
            Action::Acknowledge(record) => next.acknowledge(record),
            Action::Expire => next.lease = false,
            Action::StartUpload => self.start_upload(&mut next),
            Action::LandUpload => next.land_upload(),
            Action::Trim => self.trim(&mut next),
            Action::Snapshot(drainer) => self.snapshot(&mut next, drainer),
            Action::Upload(drainer) => next.drain(drainer),
            Action::End => next.end(),
        }
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
