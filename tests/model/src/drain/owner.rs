//! The old owner: append, acknowledge, upload, trim; alive or zombie, it does not know.

use super::state::{Record, Span, State};
use super::{Action, Drain};
use crate::mutation::DrainMutation::{
    CheckBeforeWrite, NoLeaseCheck, TrimBeforeCommit, UploadUndurable,
};
use crate::seq_log::Entry;

impl Drain {
    pub(super) fn record_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.records.len() < usize::from(self.records) {
            actions.push(Action::Accept);
        }
        for (number, record) in (0..).zip(&state.records) {
            match record {
                Record::Accepted if number == state.durable => actions.push(Action::Write(number)),
                Record::Durable => actions.push(Action::CheckLease(number)),
                Record::Approved => actions.push(Action::Acknowledge(number)),
                Record::Accepted | Record::Acknowledged | Record::Unknown => {}
            }
        }
        if state.lease {
            actions.push(Action::Expire);
        }
    }

    pub(super) fn upload_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.uploader.in_flight.is_some() {
            actions.push(Action::LandUpload);
        } else if !state.uploader.fenced {
            actions.push(Action::StartUpload);
        }
        actions.push(Action::Trim);
    }

    pub(super) fn accept(&self, state: &mut State) {
        if state.lease || !self.misses(CheckBeforeWrite) {
            state.records.push(Record::Accepted);
        }
    }

    /// R4: the lease is looked at once the record is durable, and only then.
    pub(super) fn write(&self, state: &mut State, record: u8) {
        let unchecked = self.misses(NoLeaseCheck) || self.misses(CheckBeforeWrite);
        state.records[usize::from(record)] =
            if unchecked { Record::Approved } else { Record::Durable };
        state.durable += 1;
    }

    /// R24: only what the front has made durable, and only to one's own log.
    pub(super) fn start_upload(&self, state: &mut State) {
        let accepted = state.records.len() as u8;
        let to = if self.misses(UploadUndurable) { accepted } else { state.durable };
        let from = state.uploader.committed;
        state.uploader.in_flight = (from < to).then_some(Span { from, to });
    }

    /// R25: below what our own successful PUTs cover.
    pub(super) fn trim(&self, state: &mut State) {
        let uploaded = match state.uploader.in_flight {
            Some(span) if self.misses(TrimBeforeCommit) => span.to,
            _ => state.uploader.committed,
        };
        state.trimmed = state.trimmed.max(uploaded.min(state.durable));
    }
}

impl State {
    pub(super) fn check_lease(&mut self, record: u8) {
        self.records[usize::from(record)] =
            if self.lease { Record::Approved } else { Record::Unknown };
    }

    pub(super) fn acknowledge(&mut self, record: u8) {
        self.records[usize::from(record)] = Record::Acknowledged;
    }

    pub(super) fn land_upload(&mut self) {
        let Some(span) = self.uploader.in_flight.take() else {
            return;
        };
        if self.log.create(self.uploader.next_slot, Entry::Data(span)) {
            self.uploader.next_slot += 1;
            self.uploader.committed = span.to;
        } else {
            self.uploader.fenced = true;
        }
    }
}
