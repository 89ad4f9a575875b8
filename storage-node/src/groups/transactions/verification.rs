//! The guard between asking a transaction's coordinator and committing offsets in the transaction.
//!
//! The coordinator may say yes, end the transaction, and have its marker here before the commit is:
//! the commit would then belong to no transaction, or to the next one (T8). So each commit leaves a
//! note before it asks. A marker of the same producer takes the note away, and a commit whose note
//! is gone comes too late. Looking for the note and handing the commit to the shard are one step, as
//! are taking it away and handing the marker on: the shard sees them in that order.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::ids::TenantId;

/// The notes of all commits that wait for a coordinator's word.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verifications(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    last: u64,
    waiting: HashMap<u64, Of>,
}

/// Whose note, and in which shard.
type Of = (i32, TenantId, i64);

/// One commit's note. Dropped with the commit.
#[derive(Debug)]
pub(crate) struct Note {
    number: u64,
    all: Verifications,
}

// === impl Verifications ===

impl Verifications {
    /// Leaves a note. The coordinator may be asked after this.
    pub(crate) fn begin(&self, shard: i32, tenant: TenantId, producer_id: i64) -> Note {
        let mut notes = self.0.lock();
        notes.last += 1;
        let number = notes.last;
        notes.waiting.insert(number, (shard, tenant, producer_id));
        Note { number, all: self.clone() }
    }

    /// Hands a producer's marker on: what that producer still wants to commit comes too late.
    pub(crate) fn end<T>(
        &self,
        shard: i32,
        tenant: TenantId,
        producer_id: i64,
        hand_on: impl FnOnce() -> T,
    ) -> T {
        let mut notes = self.0.lock();
        notes.waiting.retain(|_, of| *of != (shard, tenant, producer_id));
        hand_on()
    }
}

// === impl Note ===

impl Note {
    /// Hands the commit on. `None` if a marker came before.
    pub(crate) fn commit<T>(self, hand_on: impl FnOnce() -> T) -> Option<T> {
        let all = self.all.clone();
        let notes = all.0.lock();
        let in_time = notes.waiting.contains_key(&self.number);
        let handed = in_time.then(hand_on);
        // The note goes by being dropped, which takes the lock.
        drop(notes);
        handed
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.all.0.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId::DEFAULT;

    #[test]
    fn a_commit_that_a_marker_has_overtaken_is_not_handed_on() {
        let all = Verifications::default();
        let (early, late) = (all.begin(0, TENANT, 1), all.begin(0, TENANT, 1));
        let of_another = all.begin(0, TENANT, 2);
        let of_another_tenant = all.begin(0, TenantId(9), 1);
        let of_another_shard = all.begin(1, TENANT, 1);
        assert_eq!(early.commit(|| "handed on"), Some("handed on"));
        all.end(0, TENANT, 1, || ());
        assert_eq!(late.commit(|| "handed on"), None);
        assert!(of_another.commit(|| ()).is_some());
        assert!(of_another_tenant.commit(|| ()).is_some());
        assert!(of_another_shard.commit(|| ()).is_some());
    }

    #[test]
    fn a_commit_after_the_marker_asks_anew_and_leaves_nothing_behind() {
        let all = Verifications::default();
        all.end(0, TENANT, 1, || ());
        assert!(all.begin(0, TENANT, 1).commit(|| ()).is_some());
        drop(all.begin(0, TENANT, 1));
        assert!(all.0.lock().waiting.is_empty());
    }
}
