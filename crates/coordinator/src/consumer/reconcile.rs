//! How a member gets from what it has to what it should have (KIP-848): it first gives back what
//! goes to others, and only then gets what others have given back.
//!
//! ```text
//!            target differs, nothing to give back
//!        ┌──────────────────────────────────────────────┐
//!        │                                              ▼
//!     STABLE ──▶ UNREVOKED_PARTITIONS ──▶ UNRELEASED_PARTITIONS ──▶ STABLE
//!                 waits for its client     waits for other members
//! ```
//!
//! A member takes the epoch of its target as soon as it has given everything back.

use crate::record::{Assignment, CurrentAssignment, MemberState, TopicPartition};

/// What a member should have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) epoch: i32,
    pub(super) partitions: &'a Assignment,
}

/// The next step of a member towards its target. `owned` is what its client says that it has, if it
/// says so; `is_free` tells whether no other member has a partition.
pub(super) fn reconcile(
    current: &CurrentAssignment,
    target: Target<'_>,
    owned: Option<&Assignment>,
    is_free: impl Fn(&TopicPartition) -> bool,
) -> CurrentAssignment {
    match current.state {
        MemberState::Stable if current.epoch == target.epoch => current.clone(),
        MemberState::UnrevokedPartitions if !has_given_back(&current.revoking, owned) => {
            current.clone()
        }
        // It was at a later epoch from the moment on at which it had given back what it was asked
        // for, whether or not there is more to ask for by now.
        MemberState::UnrevokedPartitions => {
            advance(current, current.epoch + 1, target, owned, is_free)
        }
        MemberState::Stable | MemberState::UnreleasedPartitions => {
            advance(current, current.epoch, target, owned, is_free)
        }
    }
}

fn advance(
    current: &CurrentAssignment,
    epoch: i32,
    target: Target<'_>,
    owned: Option<&Assignment>,
    is_free: impl Fn(&TopicPartition) -> bool,
) -> CurrentAssignment {
    let kept: Assignment = current.assigned.intersection(target.partitions).copied().collect();
    let revoking: Assignment = current.assigned.difference(target.partitions).copied().collect();
    if !has_given_back(&revoking, owned) {
        return CurrentAssignment {
            epoch,
            previous_epoch: previous_epoch(current, epoch),
            state: MemberState::UnrevokedPartitions,
            assigned: kept,
            revoking,
            awaits_sync: current.awaits_sync,
        };
    }
    let (free, unreleased): (Vec<TopicPartition>, Vec<TopicPartition>) =
        target.partitions.difference(&kept).partition(|at| is_free(at));
    CurrentAssignment {
        epoch: target.epoch,
        previous_epoch: previous_epoch(current, target.epoch),
        state: if unreleased.is_empty() {
            MemberState::Stable
        } else {
            MemberState::UnreleasedPartitions
        },
        assigned: kept.into_iter().chain(free).collect(),
        revoking: Assignment::new(),
        awaits_sync: current.awaits_sync,
    }
}

/// A client that does not say what it has may have all of it still.
fn has_given_back(revoking: &Assignment, owned: Option<&Assignment>) -> bool {
    revoking.is_empty() || owned.is_some_and(|owned| owned.is_disjoint(revoking))
}

/// The last epoch that the client surely heard of, as long as it may not have heard of this one.
fn previous_epoch(current: &CurrentAssignment, epoch: i32) -> i32 {
    if epoch == current.epoch { current.previous_epoch } else { current.epoch }
}

#[cfg(test)]
mod tests;
