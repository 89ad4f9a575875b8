//! An owner: numbered slots, frozen bytes, acknowledgements in order.

use super::state::{Put, Record, Role, State};
use super::{Action, ObjectFront};
use crate::mutation::ObjectFrontMutation::{
    AckOnOwnership, AckOutOfOrder, RebatchSameSeq, Treat412AsOk,
};
use crate::seq_log::Entry;

impl ObjectFront {
    pub(super) fn owner_actions(&self, state: &State, node: usize, actions: &mut Vec<Action>) {
        let pipeline = &state.nodes[node].pipeline;
        let more = state.last_value < self.records;
        if more && pipeline.iter().filter(|record| !record.acked).count() < self.in_flight_max {
            actions.push(Action::Send(node));
        }
        for (slot, record) in (0..).zip(pipeline).filter(|(_, record)| !record.durable) {
            let put = Put { log: node, slot, value: record.value };
            if state.network.created.contains(&put) {
                actions.push(Action::Created(node, slot));
            }
            if state.network.refused.contains(&(node, slot)) {
                actions.push(Action::Refused(node, slot));
            }
            if more && self.misses(RebatchSameSeq) {
                actions.push(Action::Rebatch(node, slot));
            }
        }
        // R15: only the first slot that is not acknowledged may be next. R1: and only if
        // the store said that it is there.
        let candidates = if self.misses(AckOutOfOrder) { pipeline.len() } else { 1 };
        let acks = (0..)
            .zip(pipeline)
            .filter(|(_, record)| !record.acked)
            .take(candidates)
            .filter(|(_, record)| record.durable || self.misses(AckOnOwnership))
            .map(|(slot, _)| Action::Acknowledge(node, slot));
        actions.extend(acks);
    }

    /// R13: any answer but success means "unknown"; what the slot holds decides.
    pub(super) fn refused(&self, state: &mut State, node: usize, slot: u8) {
        let found = state.logs[node].get(slot).cloned();
        let mine = state.record_mut(node, slot);
        match found {
            _ if self.misses(Treat412AsOk) => mine.durable = true,
            Some(Entry::Data(value)) if value == mine.value => mine.durable = true,
            // Without R14 an earlier attempt looks like success: same log, same slot.
            Some(Entry::Data(_)) if self.misses(RebatchSameSeq) => mine.durable = true,
            Some(_) => state.nodes[node].role = Role::Fenced,
            // Deleted since. The same bytes are tried again: a PUT never leaves the network.
            None => {}
        }
    }
}

impl State {
    pub(super) fn send(&mut self, node: usize) {
        let slot = self.nodes[node].pipeline.len() as u8;
        let value = self.new_value();
        self.nodes[node].pipeline.push(Record { value, durable: false, acked: false });
        self.network.sent.insert(Put { log: node, slot, value });
    }

    pub(super) fn rebatch(&mut self, node: usize, slot: u8) {
        let value = self.new_value();
        self.record_mut(node, slot).value = value;
        self.network.sent.insert(Put { log: node, slot, value });
    }

    pub(super) fn acknowledge(&mut self, node: usize, slot: u8) {
        let start = self.nodes[node].start;
        let record = self.record_mut(node, slot);
        record.acked = true;
        let promise = (start + slot, record.value);
        self.acked.insert(promise);
    }

    fn new_value(&mut self) -> u8 {
        self.last_value += 1;
        self.last_value
    }
}
