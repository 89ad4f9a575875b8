//! The embedded stores' map, history and leases. Pure: the caller passes the time.
//!
//! A transaction is *planned* (compares checked, changes computed) and then *applied*. Between
//! the two the file store makes the change durable; so nobody sees what a crash could take back.
//!
//! ```text
//!   plan(txn) ──► Change ──► (write to file) ──► apply(change) ──► watchers
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    limits::HISTORY_REVISIONS_MAX,
    store::{Entry, Event, LeaseId, Listing, MetadataError, WatchBatch},
    txn::{Compare, Expected, Op, Txn},
};

/// The state of an embedded store.
#[derive(Debug)]
pub(crate) struct Engine {
    revision: i64,
    entries: BTreeMap<String, Stored>,
    /// The last revisions, oldest first, without holes.
    history: VecDeque<WatchBatch>,
    /// Every revision up to this one is no longer in the history.
    compacted: i64,
    leases: BTreeMap<LeaseId, Lease>,
    next_lease: i64,
}

/// A key's value and marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) value: Bytes,
    pub(crate) create_revision: i64,
    pub(crate) mod_revision: i64,
    pub(crate) lease: Option<LeaseId>,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    deadline: Instant,
    keys: BTreeSet<String>,
}

/// What a transaction will do, at the next revision.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// New values, `None` for a deletion, in the order of the operations.
    pub(crate) writes: Vec<(String, Option<Stored>)>,
    ended: Vec<LeaseId>,
}

/// What the history says to a watcher.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum History {
    Batch(WatchBatch),
    UpToDate { next: i64 },
    Compacted,
}

// === impl Change ===

impl Change {
    /// True when nothing changes: no revision is used up.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

// === impl Engine ===

impl Engine {
    /// An engine with these entries, whose history begins now.
    pub(crate) fn new(revision: i64, entries: BTreeMap<String, Stored>) -> Self {
        Self {
            revision,
            entries,
            history: VecDeque::new(),
            compacted: revision,
            leases: BTreeMap::new(),
            next_lease: 1,
        }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    pub(crate) fn get(&self, key: &str) -> Option<Entry> {
        self.entries.get(key).map(|stored| stored.entry(key))
    }

    pub(crate) fn list(&self, prefix: &str) -> Listing {
        let entries = self
            .entries
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, stored)| stored.entry(key))
            .collect();
        Listing { revision: self.revision, entries }
    }

    /// Checks a transaction and computes its changes; `None` if a compare fails.
    pub(crate) fn plan(&self, txn: Txn) -> Result<Option<Change>, MetadataError> {
        txn.check()?;
        if !txn.compares.iter().all(|compare| self.holds(compare)) {
            return Ok(None);
        }
        let mut change = Change::default();
        for op in txn.ops {
            match op {
                Op::Put { key, value, lease } => {
                    if let Some(lease) = lease.filter(|lease| !self.leases.contains_key(lease)) {
                        return Err(MetadataError::LeaseGone(lease));
                    }
                    let stored = self.next_life(&key, value, lease);
                    change.writes.push((key, Some(stored)));
                }
                Op::Delete { key } if self.entries.contains_key(&key) => {
                    change.writes.push((key, None));
                }
                Op::Delete { .. } => {}
            }
        }
        Ok(Some(change))
    }

    /// The deletions that end every lease due at `now`.
    pub(crate) fn plan_expiry(&self, now: Instant) -> Change {
        let due = self.leases.iter().filter(|(_, lease)| lease.deadline <= now);
        self.plan_end(due.map(|(&id, _)| id).collect())
    }

    /// The deletions that end one lease. Ending an ended one is nothing.
    pub(crate) fn plan_revoke(&self, lease: LeaseId) -> Change {
        self.plan_end(Vec::from_iter(self.leases.contains_key(&lease).then_some(lease)))
    }

    /// Makes a change, which must have been planned on this very state.
    pub(crate) fn apply(&mut self, change: Change) -> i64 {
        for lease in &change.ended {
            self.leases.remove(lease);
        }
        if change.is_empty() {
            return self.revision;
        }
        self.revision += 1;
        let mut events = Vec::with_capacity(change.writes.len());
        for (key, stored) in change.writes {
            events.push(self.write(key, stored));
        }
        self.history.push_back(WatchBatch { revision: self.revision, events });
        if self.history.len() > HISTORY_REVISIONS_MAX {
            self.history.pop_front();
            self.compacted += 1;
        }
        self.revision
    }

    /// The first revision from `from` on that touches `prefix`.
    pub(crate) fn since(&self, from: i64, prefix: &str) -> History {
        if from <= self.compacted {
            return History::Compacted;
        }
        let skip = usize::try_from(from - self.compacted - 1).unwrap_or(usize::MAX);
        for batch in self.history.iter().skip(skip) {
            let events: Vec<_> =
                batch.events.iter().filter(|event| event.key().starts_with(prefix)).collect();
            if !events.is_empty() {
                let events = events.into_iter().cloned().collect();
                return History::Batch(WatchBatch { revision: batch.revision, events });
            }
        }
        History::UpToDate { next: from.max(self.revision + 1) }
    }

    pub(crate) fn grant(&mut self, ttl: Duration, now: Instant) -> LeaseId {
        let id = LeaseId(self.next_lease);
        self.next_lease += 1;
        self.leases.insert(id, Lease { ttl, deadline: now + ttl, keys: BTreeSet::new() });
        id
    }

    /// Restarts a lease's time; false if it has ended or is due.
    pub(crate) fn keep_alive(&mut self, lease: LeaseId, now: Instant) -> bool {
        match self.leases.get_mut(&lease) {
            Some(lease) if lease.deadline > now => {
                lease.deadline = now + lease.ttl;
                true
            }
            _ => false,
        }
    }

    /// When the next lease is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.leases.values().map(|lease| lease.deadline).min()
    }

    fn holds(&self, compare: &Compare) -> bool {
        let stored = self.entries.get(&compare.key);
        match compare.expected {
            Expected::ModRevision(revision) => stored.map_or(0, |s| s.mod_revision) == revision,
            Expected::CreateRevision(revision) => {
                stored.map_or(0, |s| s.create_revision) == revision
            }
        }
    }

    fn next_life(&self, key: &str, value: Bytes, lease: Option<LeaseId>) -> Stored {
        let mod_revision = self.revision + 1;
        let create_revision =
            self.entries.get(key).map_or(mod_revision, |stored| stored.create_revision);
        Stored { value, create_revision, mod_revision, lease }
    }

    fn plan_end(&self, ended: Vec<LeaseId>) -> Change {
        let leases = ended.iter().filter_map(|id| self.leases.get(id));
        let keys = leases.flat_map(|lease| lease.keys.iter().cloned());
        Change { writes: keys.map(|key| (key, None)).collect(), ended }
    }

    fn write(&mut self, key: String, stored: Option<Stored>) -> Event {
        let before = self.entries.get(&key).and_then(|stored| stored.lease);
        if let Some(lease) = before.and_then(|id| self.leases.get_mut(&id)) {
            lease.keys.remove(&key);
        }
        match stored {
            Some(stored) => {
                if let Some(lease) = stored.lease.and_then(|id| self.leases.get_mut(&id)) {
                    lease.keys.insert(key.clone());
                }
                let event = Event::Put(stored.entry(&key));
                self.entries.insert(key, stored);
                event
            }
            None => {
                self.entries.remove(&key);
                Event::Delete { key, mod_revision: self.revision }
            }
        }
    }
}

// === impl Stored ===

impl Stored {
    fn entry(&self, key: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            value: self.value.clone(),
            mod_revision: self.mod_revision,
            create_revision: self.create_revision,
        }
    }
}

#[cfg(test)]
mod tests;
