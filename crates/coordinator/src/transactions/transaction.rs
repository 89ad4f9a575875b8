//! The durable state of one transactional id, and the steps from one state to the next.

use std::collections::BTreeSet;

use super::end::Ending;
use crate::record::TopicPartition;

/// Who writes: an id, and how often its owner has changed since the id was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// The producer id.
    pub id: i64,
    /// The producer epoch. Whoever has a lower one is fenced.
    pub epoch: i16,
}

/// Where a transactional id stands. The numbers are persisted, and are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TransactionState {
    /// A producer was initialised and has done nothing.
    Empty = 0,
    /// A transaction is open.
    Ongoing = 1,
    /// It will be committed; not every partition knows.
    PrepareCommit = 2,
    /// It will be aborted; not every partition knows.
    PrepareAbort = 3,
    /// Every partition has its commit marker.
    CompleteCommit = 4,
    /// Every partition has its abort marker.
    CompleteAbort = 5,
}

/// All that is durable about one transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who may act under the id. While the state is Prepare, also what its markers carry.
    pub producer: Producer,
    /// True if the last outcome raised the epoch: the transaction it ended ran under a lower one.
    pub bumped: bool,
    /// What the same client was before it asked to become `producer`, or before its time was over: by it a
    /// repetition of that request is recognised (KIP-360, KIP-890). None once it has begun a transaction since, so that
    /// a late repetition acts on no later transaction (T8).
    pub previous: Option<Producer>,
    /// Who `producer` becomes when the transaction is complete, if its epochs are used up.
    pub next: Option<Producer>,
    /// `transaction.timeout.ms` of the client.
    pub timeout_ms: i32,
    /// See [`TransactionState`].
    pub state: TransactionState,
    /// Where the open transaction has records or offsets. Offsets of groups count as the internal
    /// partition that keeps the group.
    pub partitions: BTreeSet<TopicPartition>,
    /// When the last transaction began, in Unix milliseconds; none if none has since the producer
    /// was initialised.
    pub started_at_ms: Option<i64>,
    /// When anything changed last, in Unix milliseconds: expiry counts from here.
    pub updated_at_ms: i64,
}

// === impl Producer ===

impl Producer {
    /// The same id with the next epoch; `None` if no more may be given to clients. The very last
    /// is kept back, so that whoever has the one before it can be fenced still.
    pub(super) fn next_epoch(self) -> Option<Self> {
        let epoch = self.epoch.checked_add(1).filter(|epoch| *epoch < i16::MAX)?;
        Some(Self { epoch, ..self })
    }

    /// The same id with an epoch that fences this one. No client is ever told of it before
    /// [`Producer::next_epoch`] has had its say.
    pub(super) fn fencing(self) -> Self {
        Self { epoch: self.epoch.saturating_add(1), ..self }
    }
}

// === impl TransactionState ===

impl TransactionState {
    /// As DescribeTransactions and ListTransactions show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// The outcome is decided and markers are under way.
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Nothing is open.
    pub(super) fn is_idle(self) -> bool {
        matches!(self, Self::Empty | Self::CompleteCommit | Self::CompleteAbort)
    }
}

// === impl Transaction ===

impl Transaction {
    /// The state after InitProducerId: nothing open, and `producer` may begin.
    pub(super) fn empty(
        producer: Producer,
        previous: Option<Producer>,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Self {
        Self {
            producer,
            bumped: false,
            previous,
            next: None,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            started_at_ms: None,
            updated_at_ms: now_ms,
        }
    }

    /// The state with more partitions in the open transaction, which the first ones open.
    pub(super) fn with(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        now_ms: i64,
    ) -> Self {
        let started_at_ms =
            if self.state == TransactionState::Ongoing { self.started_at_ms } else { Some(now_ms) };
        Self {
            previous: None,
            state: TransactionState::Ongoing,
            partitions: self.partitions.iter().copied().chain(partitions).collect(),
            started_at_ms,
            updated_at_ms: now_ms,
            ..self.clone()
        }
    }

    /// The state with the outcome decided.
    pub(super) fn prepared(&self, ending: &Ending, now_ms: i64) -> Self {
        Self {
            producer: ending.producer,
            bumped: ending.bumped,
            previous: ending.previous,
            next: ending.next,
            state: ending.state,
            // An abort without a transaction (KIP-890) counts as one that began just now.
            started_at_ms: self.started_at_ms.or(Some(now_ms)),
            updated_at_ms: now_ms,
            ..self.clone()
        }
    }

    /// The state once every partition has its marker.
    pub(super) fn completed(&self, now_ms: i64) -> Self {
        Self {
            producer: self.next.unwrap_or(self.producer),
            next: None,
            state: if self.state == TransactionState::PrepareCommit {
                TransactionState::CompleteCommit
            } else {
                TransactionState::CompleteAbort
            },
            partitions: BTreeSet::new(),
            updated_at_ms: now_ms,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_is_given_the_last_epoch() {
        let at = |epoch| Producer { id: 7, epoch };
        assert_eq!(at(0).next_epoch(), Some(at(1)));
        assert_eq!(at(i16::MAX - 2).next_epoch(), Some(at(i16::MAX - 1)));
        assert_eq!(at(i16::MAX - 1).next_epoch(), None);
        assert_eq!(at(i16::MAX).next_epoch(), None);
        assert_eq!(at(i16::MAX - 1).fencing(), at(i16::MAX), "it can be fenced all the same");
    }
}
