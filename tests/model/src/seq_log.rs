//! `SeqLog` as both models see it: slots that are created once, closed by END.
//!
//! The product's type is `segment::seqlog`; what is left of it here is what the
//! protocol rests on.

use std::collections::BTreeMap;

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entry<T> {
    /// Records, described as the model needs them.
    Data(T),
    /// The log is over; what lies behind is dead.
    End,
}

/// One incarnation's log in the object store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SeqLog<T> {
    slots: BTreeMap<u8, Entry<T>>,
}

impl<T> SeqLog<T> {
    pub(crate) fn new() -> Self {
        Self { slots: BTreeMap::new() }
    }

    pub(crate) fn get(&self, slot: u8) -> Option<&Entry<T>> {
        self.slots.get(&slot)
    }

    /// The log proper: slots 0, 1, 2, … until END or the first hole.
    pub(crate) fn data(&self) -> impl Iterator<Item = &T> {
        (0..).map_while(|slot| match self.slots.get(&slot) {
            Some(Entry::Data(data)) => Some(data),
            Some(Entry::End) | None => None,
        })
    }

    /// Whether END is anywhere. The slots before it may be deleted by now (R8).
    pub(crate) fn has_end(&self) -> bool {
        self.end().is_some()
    }

    pub(crate) fn end(&self) -> Option<u8> {
        self.slots.iter().find(|(_, entry)| matches!(entry, Entry::End)).map(|(slot, _)| *slot)
    }

    /// Slots that hold records, in the log or not.
    pub(crate) fn data_slots(&self) -> impl Iterator<Item = u8> {
        self.slots
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Data(_)))
            .map(|(slot, _)| *slot)
    }

    pub(crate) fn first_hole(&self) -> u8 {
        (0..).zip(self.slots.keys()).take_while(|(slot, taken)| slot == *taken).count() as u8
    }

    /// Where a listing would put the tail.
    pub(crate) fn after_highest(&self) -> u8 {
        self.slots.keys().next_back().map_or(0, |slot| slot + 1)
    }

    /// A PUT that succeeds only if the slot is free (R16). Says whether it did.
    pub(crate) fn create(&mut self, slot: u8, entry: Entry<T>) -> bool {
        let free = !self.slots.contains_key(&slot);
        if free {
            self.slots.insert(slot, entry);
        }
        free
    }

    /// The same PUT in a store that ignores its condition.
    pub(crate) fn overwrite(&mut self, slot: u8, entry: Entry<T>) {
        self.slots.insert(slot, entry);
    }

    pub(crate) fn delete_data(&mut self) {
        self.slots.retain(|_, entry| matches!(entry, Entry::End));
    }

    pub(crate) fn delete_all(&mut self) {
        self.slots.clear();
    }
}
