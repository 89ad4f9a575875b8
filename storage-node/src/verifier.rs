//! Asks transaction coordinators on behalf of the partitions here (KIP-890, R38, R39).
//!
//! In: partitions of one request whose first transactional batch waits.
//! Out: one question to the coordinator per producer, and its answer to each partition.
//! Never: a second try. What cannot be verified now is refused, surely not appended, and its client
//! sends it again.

use std::sync::Arc;
use std::time::Duration;

use hop::internal::{AddTxnPartitionsRequest, TxnPartition};
use hop::{HopError, HopHeader, Peers};
use metadata::ClusterView;
use process::{Clock, Drain};
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId, TopicId, coordinator_index};

use crate::limits::VERIFICATION_TIMEOUT;
use crate::metrics;
use crate::partition::{Guard, Partition, TxnSupport};

/// See the module.
pub(crate) struct Verifier {
    pub(crate) view: ClusterView,
    pub(crate) peers: Peers,
    pub(crate) clock: Clock,
    pub(crate) drain: Drain,
    /// The internal topic, by whose partitions coordinators are found.
    pub(crate) state_topic: TopicId,
    /// How many partitions it has.
    pub(crate) state_partitions: i32,
}

/// A partition that waits for the coordinator's word.
pub(crate) struct Check {
    pub(crate) partition: Arc<Partition>,
    pub(crate) guard: Guard,
}

// === impl Verifier ===

impl Verifier {
    /// Has the coordinator of a transactional id asked about these partitions; they hear of it.
    pub(crate) fn verify(
        &self,
        tenant: TenantId,
        transactional_id: &str,
        support: TxnSupport,
        mut checks: Vec<Check>,
        deadline: Duration,
    ) {
        while let Some(first) = checks.first().map(|check| check.guard) {
            let of_first = |check: &mut Check| {
                let guard = check.guard;
                (guard.producer_id, guard.producer_epoch)
                    == (first.producer_id, first.producer_epoch)
            };
            let alike: Vec<Check> = checks.extract_if(.., of_first).collect();
            let request = AddTxnPartitionsRequest {
                transactional_id: transactional_id.to_owned(),
                producer_id: first.producer_id,
                producer_epoch: i32::from(first.producer_epoch),
                verify_only: !support.adds,
                partitions: alike.iter().map(|it| TxnPartition::new(it.partition.id())).collect(),
            };
            let asked = self.ask(tenant, request, deadline.min(VERIFICATION_TIMEOUT));
            let clock = self.clock.clone();
            let verification = async move {
                let answer = asked.await;
                for (position, check) in alike.into_iter().enumerate() {
                    let code = code_of(&answer, position);
                    metrics::verified(code);
                    let outcome = |support| outcome(code, support);
                    check.partition.verified(check.guard, outcome, clock.now_ms());
                }
            };
            drop(self.drain.spawn("transaction verification", verification));
        }
    }

    fn ask(
        &self,
        tenant: TenantId,
        request: AddTxnPartitionsRequest,
        deadline: Duration,
    ) -> impl Future<Output = Result<Vec<i32>, ErrorCode>> + Send + use<> {
        let index = coordinator_index(tenant, &request.transactional_id, self.state_partitions);
        let shard = PartitionId::new(TenantId::SYSTEM, self.state_topic, index);
        let owner = self.view.owner(shard);
        let peer = owner.map(|(node, _)| self.peers.peer(&node.address));
        async move {
            let peer = peer.ok_or(ErrorCode::CoordinatorNotAvailable)?;
            let answer = peer.ask(HopHeader::internal(tenant, deadline), request).await;
            match answer {
                Ok(answer) => Ok(answer.error_codes),
                Err(error) => Err(unreachable(&error)),
            }
        }
    }
}

fn unreachable(error: &HopError) -> ErrorCode {
    tracing::debug!(%error, "a transaction coordinator does not answer");
    ErrorCode::CoordinatorNotAvailable
}

/// What the coordinator said about one partition.
fn code_of(answer: &Result<Vec<i32>, ErrorCode>, position: usize) -> ErrorCode {
    match answer {
        Ok(codes) => {
            let code = codes.get(position).and_then(|code| i16::try_from(*code).ok());
            code.map_or(ErrorCode::CoordinatorNotAvailable, ErrorCode::from_code)
        }
        Err(code) => *code,
    }
}

/// What that means for a client's batch: the codes that Kafka gives to producers.
fn outcome(code: ErrorCode, support: TxnSupport) -> Result<(), ErrorCode> {
    Err(match code {
        ErrorCode::None => return Ok(()),
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::InvalidTxnState | ErrorCode::TransactionAbortable => {
            support.not_in_transaction()
        }
        // Ordinary while the transaction before is being ended; older clients do not expect it here.
        ErrorCode::ConcurrentTransactions if support.adds => code,
        ErrorCode::InvalidProducerEpoch
        | ErrorCode::InvalidProducerIdMapping
        | ErrorCode::TransactionalIdAuthorizationFailed => code,
        // Retriable for all clients, and none looks for a new leader because of it.
        _ => ErrorCode::NotEnoughReplicas,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_hear_the_codes_that_they_know() {
        use ErrorCode as E;
        for (said, up_to_10, at_11, from_12) in [
            (
                E::InvalidTxnState,
                E::InvalidTxnState,
                E::TransactionAbortable,
                E::TransactionAbortable,
            ),
            (
                E::TransactionAbortable,
                E::InvalidTxnState,
                E::TransactionAbortable,
                E::TransactionAbortable,
            ),
            (
                E::ConcurrentTransactions,
                E::NotEnoughReplicas,
                E::NotEnoughReplicas,
                E::ConcurrentTransactions,
            ),
            (E::NotCoordinator, E::NotEnoughReplicas, E::NotEnoughReplicas, E::NotEnoughReplicas),
            (
                E::CoordinatorLoadInProgress,
                E::NotEnoughReplicas,
                E::NotEnoughReplicas,
                E::NotEnoughReplicas,
            ),
            (
                E::UnknownServerError,
                E::NotEnoughReplicas,
                E::NotEnoughReplicas,
                E::NotEnoughReplicas,
            ),
            (
                E::ProducerFenced,
                E::InvalidProducerEpoch,
                E::InvalidProducerEpoch,
                E::InvalidProducerEpoch,
            ),
        ] {
            for (version, expected) in [(3, up_to_10), (10, up_to_10), (11, at_11), (13, from_12)] {
                let heard = outcome(said, TxnSupport::of(version));
                assert_eq!(heard, Err(expected), "{said} at version {version}");
                assert!(expected.definite(), "nothing was appended (R44)");
            }
        }
        assert_eq!(outcome(E::None, TxnSupport::of(12)), Ok(()));
    }

    #[test]
    fn an_answer_that_is_too_short_verifies_nothing() {
        assert_eq!(code_of(&Ok(vec![0]), 0), ErrorCode::None);
        assert_eq!(code_of(&Ok(vec![0]), 1), ErrorCode::CoordinatorNotAvailable);
    }
}
