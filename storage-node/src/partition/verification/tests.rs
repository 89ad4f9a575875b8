//! Verification: who waits, for what, and what ends it.

use protocol::batch::BatchBuilder;

use super::*;
use crate::acks::Outcome;
use crate::fixture::{Fixture, batch, marker, transactional};

type Told = oneshot::Receiver<Result<Appended, AppendError>>;

/// Appends a batch that has to wait.
fn waits(fixture: &Fixture, epoch: i16, sequence: i32) -> (Told, Option<Guard>) {
    match fixture.append_transactional(&transactional(epoch, sequence)).0 {
        Placement::Waits(told, guard) => (told, guard),
        Placement::Told(told) => panic!("{told:?}"),
    }
}

fn verify(fixture: &Fixture, guard: Option<Guard>, outcome: Result<(), ErrorCode>) {
    fixture.partition.verified(guard.expect("it is the first"), |_| outcome, 1_000);
}

fn code(mut told: Told) -> ErrorCode {
    told.try_recv().expect("it is told").expect_err("it is refused").code()
}

fn offset(mut told: Told) -> i64 {
    told.try_recv().expect("it is told").expect("it is appended").base_offset
}

#[tokio::test]
async fn batches_of_a_transaction_wait_for_one_verification_and_keep_their_order() {
    let fixture = Fixture::new().await;
    let (first, guard) = waits(&fixture, 0, 0);
    let (second, nobody) = waits(&fixture, 0, 1);
    assert_eq!(nobody, None, "the coordinator is asked once");
    let (_, _acks) = fixture.append(&batch(1));
    verify(&fixture, guard, Ok(()));
    assert_eq!((offset(first), offset(second)), (1, 2), "others were not held up");
    let (open, _acks) = fixture.append_transactional(&transactional(0, 2));
    assert!(matches!(open, Placement::Told(Ok(_))), "it is open now: {open:?}");
}

#[tokio::test]
async fn what_is_not_verified_is_not_appended() {
    let fixture = Fixture::new().await;
    let (first, guard) = waits(&fixture, 0, 0);
    let (second, _) = waits(&fixture, 0, 1);
    verify(&fixture, guard, Err(ErrorCode::InvalidTxnState));
    assert_eq!(
        (code(first), code(second)),
        (ErrorCode::InvalidTxnState, ErrorCode::InvalidTxnState)
    );
    assert!(fixture.front.held.lock().is_empty());
}

#[tokio::test]
async fn nothing_passes_a_batch_that_will_come_again() {
    let fixture = Fixture::new().await;
    let (first, guard) = waits(&fixture, 0, 0);
    verify(&fixture, guard, Err(ErrorCode::NotEnoughReplicas));
    assert_eq!(code(first), ErrorCode::NotEnoughReplicas);
    // It is the first that is heard of the producer: without this it would be taken (KIP-360).
    let (behind, _acks) = fixture.append_transactional(&transactional(0, 1));
    let Placement::Told(Err(AppendError::Behind)) = behind else { panic!("{behind:?}") };
    let (first, guard) = waits(&fixture, 0, 0);
    let (second, _) = waits(&fixture, 0, 1);
    verify(&fixture, guard, Ok(()));
    assert_eq!((offset(first), offset(second)), (0, 1));
}

/// KIP-890: the coordinator said yes, and before that was heard the transaction was ended.
#[tokio::test]
async fn a_marker_between_question_and_answer_refuses_what_waits() {
    let fixture = Fixture::new().await;
    for (markers, abort) in (1..).zip([marker(0, false), marker(1, false)]) {
        let (late, guard) = waits(&fixture, 0, 0);
        fixture.mark(abort).0.unwrap();
        assert_eq!(code(late), ErrorCode::TransactionAbortable);
        verify(&fixture, guard, Ok(()));
        assert_eq!(fixture.front.held.lock().len(), markers, "nothing but markers");
    }
}

/// With bumped epochs the marker of the last transaction has the epoch of the next, whose batches may
/// be there already.
#[tokio::test]
async fn the_marker_of_the_transaction_before_refuses_nothing() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(5, 0));
    let (next, guard) = waits(&fixture, 6, 0);
    fixture.mark(Marker { transaction_version: 2, ..marker(6, true) }).0.unwrap();
    verify(&fixture, guard, Ok(()));
    assert_eq!(offset(next), 2);
}

#[tokio::test]
async fn a_repeated_batch_needs_no_verification() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(0, 0));
    fixture.mark(marker(0, true)).0.unwrap();
    let (again, acks) = fixture.append_transactional(&transactional(0, 0));
    let Placement::Told(Ok(appended)) = again else { panic!("{again:?}") };
    assert_eq!((appended.base_offset, acks.outcome(0)), (0, Outcome::Durable));
}

#[tokio::test]
async fn a_batch_whose_request_is_over_is_not_appended() {
    let fixture = Fixture::new().await;
    let (gone, guard) = waits(&fixture, 0, 0);
    let (second, _) = waits(&fixture, 0, 1);
    drop(gone);
    verify(&fixture, guard, Ok(()));
    assert_eq!(code(second), ErrorCode::NotEnoughReplicas, "it is behind the first");
    assert!(fixture.front.held.lock().is_empty());
}

#[tokio::test]
async fn a_later_epoch_ends_the_wait_of_an_earlier_one() {
    let fixture = Fixture::new().await;
    let (old, first) = waits(&fixture, 0, 0);
    let (new, guard) = waits(&fixture, 1, 0);
    assert_eq!(code(old), ErrorCode::InvalidProducerEpoch);
    let (older, _acks) = fixture.append_transactional(&transactional(0, 1));
    assert!(matches!(older, Placement::Told(Err(AppendError::Sequence(_)))), "{older:?}");
    verify(&fixture, first, Ok(()));
    verify(&fixture, guard, Ok(()));
    assert_eq!(offset(new), 0);
}

#[tokio::test]
async fn a_partition_that_closes_refuses_what_waits() {
    let fixture = Fixture::new().await;
    let (waiting, guard) = waits(&fixture, 0, 0);
    fixture.partition.close(ErrorCode::NotLeaderOrFollower);
    assert_eq!(code(waiting), ErrorCode::NotLeaderOrFollower);
    verify(&fixture, guard, Ok(()));
    assert!(fixture.front.held.lock().is_empty());
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let fixture = Fixture::new().await;
    let waiting: Vec<_> =
        (0..VERIFYING_BATCHES_MAX).map(|sequence| waits(&fixture, 0, sequence as i32)).collect();
    let beyond = transactional(0, VERIFYING_BATCHES_MAX as i32);
    let (refused, _acks) = fixture.append_transactional(&beyond);
    assert!(matches!(refused, Placement::Told(Err(AppendError::Behind))), "{refused:?}");
    drop(waiting);
}

/// KIP-890: an epoch is one transaction's, so the first batch heard of it has sequence 0.
#[tokio::test]
async fn a_client_that_bumps_epochs_begins_at_zero() {
    let fixture = Fixture::new().await;
    let builder = BatchBuilder::new().producer(7, 0, 3).transactional();
    let batch = builder.record(1_000, None, Some(b"value")).build();
    let view = protocol::batch::BatchView::whole(&batch).unwrap();
    let acks = crate::acks::Acks::new(1);
    let append = Append::new(batch.clone(), &view);
    let support = TxnSupport::of(12);
    let placed = fixture.partition.append_transactional(append, support, None, 1_000, acks.ack(0));
    let Placement::Waits(told, guard) = placed else { panic!("{placed:?}") };
    verify(&fixture, guard, Ok(()));
    assert_eq!(code(told), ErrorCode::OutOfOrderSequenceNumber);
}
