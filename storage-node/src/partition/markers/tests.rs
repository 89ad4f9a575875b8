//! Markers, and what they do to what can be read.

use std::sync::Arc;

use futures::FutureExt;
use protocol::batch::BatchBuilder;
use segment::AbortedTransaction;

use super::*;
use crate::acks::Outcome;
use crate::fixture::{Fixture, batch, marker, transactional};
use crate::limits::TRANSACTION_LATE_MS;
use crate::partition::{FetchWaiter, HotRead, Isolation, Placement};

const COMMITTED: Isolation = Isolation::ReadCommitted;

/// How many batches a consumer of committed records gets from `offset` on, and what it is told of.
fn committed(fixture: &Fixture, offset: i64) -> (usize, Vec<i64>) {
    match fixture.read_at(offset, COMMITTED).1 {
        HotRead::Records { slices, aborted, .. } => {
            (slices.len(), aborted.iter().map(|it| it.first_offset).collect())
        }
        other => panic!("{other:?}"),
    }
}

fn last_stable(fixture: &Fixture) -> i64 {
    fixture.partition.marks().unwrap().last_stable_offset
}

/// Ends the transaction of producer 7, durably.
fn end(fixture: &Fixture, marker: Marker) {
    fixture.mark(marker).0.unwrap();
    fixture.front.commit();
}

#[tokio::test]
async fn an_open_transaction_holds_back_what_is_committed_behind_it() {
    let fixture = Fixture::new().await;
    let (_, _acks) = fixture.append(&batch(1));
    fixture.front.commit();
    assert_eq!(fixture.committed_transactional(&transactional(0, 0)), 1);
    let (_, _acks) = fixture.append(&batch(1));
    fixture.front.commit();
    assert_eq!((last_stable(&fixture), committed(&fixture, 0)), (1, (1, vec![])));
    assert!(matches!(fixture.read(0).1, HotRead::Records { slices, .. } if slices.len() == 3));

    end(&fixture, marker(0, true));
    assert_eq!((last_stable(&fixture), committed(&fixture, 0)), (4, (4, vec![])));
}

#[tokio::test]
async fn a_marker_decides_only_once_it_is_durable() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(0, 0));
    let (written, acks) = fixture.mark(marker(0, false));
    assert_eq!((written, acks.outcome(0)), (Ok(()), Outcome::Open));
    assert_eq!((last_stable(&fixture), committed(&fixture, 0)), (0, (0, vec![])), "T5");
    fixture.front.commit();
    assert_eq!(acks.outcome(0), Outcome::Durable);
    assert_eq!((last_stable(&fixture), committed(&fixture, 0)), (2, (2, vec![0])));
}

#[tokio::test]
async fn readers_hear_of_aborted_transactions_in_their_range_only() {
    let fixture = Fixture::new().await;
    for sequence in 0..3 {
        fixture.committed_transactional(&transactional(0, sequence));
        end(&fixture, marker(0, sequence == 1));
    }
    assert_eq!(committed(&fixture, 0), (6, vec![0, 4]));
    assert_eq!(committed(&fixture, 1), (5, vec![0, 4]), "its marker is in the range");
    assert_eq!(
        committed(&fixture, 2),
        (4, vec![4]),
        "or it would hide what was committed next (T3)"
    );
    assert_eq!(fixture.partition.final_state().aborted.len(), 2);
}

#[tokio::test]
async fn a_repeated_marker_is_a_success_and_appends_nothing() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(0, 0));
    let (_, first) = fixture.mark(marker(0, true));
    let (repeated, again) = fixture.mark(marker(0, true));
    assert_eq!((repeated, again.outcome(0)), (Ok(()), Outcome::Open), "the first may still fail");
    fixture.front.commit();
    assert_eq!((first.outcome(0), again.outcome(0)), (Outcome::Durable, Outcome::Durable));
    assert_eq!(fixture.partition.marks().unwrap().high_watermark, 2);
    let (repeated, again) = fixture.mark(marker(0, true));
    assert_eq!((repeated, again.outcome(0)), (Ok(()), Outcome::Durable));
    assert!(fixture.front.held.lock().is_empty());
}

#[tokio::test]
async fn the_epoch_of_a_marker_fences_all_below_it() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(3, 0));
    let stale = MarkerError::StaleEpoch { epoch: 2, known: 3 };
    assert_eq!(fixture.mark(marker(2, true)).0, Err(stale));
    // The coordinator bumped the epoch to abort: nothing of epoch 3 is ever appended again (T7).
    end(&fixture, marker(4, false));
    let (late, _acks) = fixture.append_transactional(&transactional(3, 1));
    let Placement::Told(Err(error)) = late else { panic!("{late:?}") };
    assert_eq!(error.code(), ErrorCode::InvalidProducerEpoch);
    let (skipped, _acks) = fixture.append_transactional(&transactional(4, 1));
    let Placement::Told(Err(error)) = skipped else { panic!("{skipped:?}") };
    assert_eq!(error.code(), ErrorCode::OutOfOrderSequenceNumber, "an epoch begins at 0");
    assert_eq!(fixture.committed_transactional(&transactional(4, 0)), 2);
}

#[tokio::test]
async fn an_unknown_producer_is_fenced_as_well() {
    let fixture = Fixture::new().await;
    end(&fixture, marker(4, false));
    let (late, _acks) = fixture.append_transactional(&transactional(3, 0));
    assert!(matches!(late, Placement::Told(Err(_))), "{late:?}");
    assert_eq!(fixture.partition.final_state().aborted, [], "nothing was open");
}

#[tokio::test]
async fn a_coordinator_that_was_replaced_ends_nothing() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(0, 0));
    let of = |coordinator_epoch| {
        let end = EndTransactionMarker { commit: true, coordinator_epoch };
        Marker { end, ..marker(0, true) }
    };
    end(&fixture, of(5));
    fixture.committed_transactional(&transactional(0, 1));
    let (zombie, acks) = fixture.mark(of(4));
    assert_eq!(zombie, Err(MarkerError::CoordinatorFenced { epoch: 4, known: 5 }));
    assert_eq!(acks.outcome(0), Outcome::Durable);
    end(&fixture, of(6));
    assert_eq!(last_stable(&fixture), 4);
}

/// From version 2 on each transaction has an epoch, and its marker the next: one that comes late
/// cannot end the transaction that uses the marker's epoch (T8, KAFKA-17754).
#[tokio::test]
async fn a_late_marker_never_ends_the_next_transaction() {
    let fixture = Fixture::new().await;
    let bumped = |epoch| Marker { transaction_version: 2, ..marker(epoch, true) };
    fixture.committed_transactional(&transactional(5, 0));
    end(&fixture, bumped(6));
    assert_eq!(fixture.mark(bumped(6)).0, Ok(()), "a repeat, as long as nothing followed");
    fixture.committed_transactional(&transactional(6, 0));
    let stale = MarkerError::StaleEpoch { epoch: 6, known: 6 };
    assert_eq!(fixture.mark(bumped(6)).0, Err(stale));
    assert_eq!(last_stable(&fixture), 2);
    end(&fixture, bumped(7));
    assert_eq!(last_stable(&fixture), 4);
}

#[tokio::test]
async fn a_producer_writes_nothing_else_while_its_transaction_is_open() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(0, 0));
    let plain = BatchBuilder::new().producer(7, 0, 1).record(1_000, None, Some(b"value")).build();
    let (refused, _acks) = fixture.append(&plain);
    assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidTxnState);
    end(&fixture, marker(0, true));
    let (taken, _acks) = fixture.append(&plain);
    assert_eq!(taken.unwrap().base_offset, 2);
}

#[tokio::test]
async fn a_full_front_leaves_the_transaction_open() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(0, 0));
    *fixture.front.full.lock() = true;
    let (refused, acks) = fixture.mark(marker(0, true));
    assert_eq!(refused.unwrap_err().code(), ErrorCode::NotEnoughReplicas);
    assert_eq!(acks.outcome(0), Outcome::Unknown);
    *fixture.front.full.lock() = false;
    end(&fixture, marker(0, true));
    assert_eq!(last_stable(&fixture), 2);
}

#[tokio::test]
async fn consumers_of_committed_records_sleep_until_something_is_decided() {
    let fixture = Fixture::new().await;
    let waiter = Arc::new(FetchWaiter::default());
    fixture.partition.add_waiter(&waiter, COMMITTED);
    fixture.committed_transactional(&transactional(0, 0));
    let (_, _acks) = fixture.append(&batch(1));
    fixture.front.commit();
    assert!(waiter.missing(1).now_or_never().is_none());
    fixture.mark(marker(0, true)).0.unwrap();
    assert!(waiter.missing(1).now_or_never().is_none());
    fixture.front.commit();
    let all = (transactional(0, 0).len() + batch(1).len()) as u64;
    assert!(waiter.missing(all + 1).now_or_never().is_some(), "and the marker itself");
}

/// DeleteRecords may delete records of an open transaction, as in Kafka.
#[tokio::test]
async fn the_last_stable_offset_is_never_below_the_log_start() {
    let fixture = Fixture::new().await;
    for sequence in 0..3 {
        fixture.committed_transactional(&transactional(0, sequence));
    }
    assert_eq!(last_stable(&fixture), 0);
    fixture.partition.advance_log_start(&fixture.manifests, 2).await.unwrap();
    assert_eq!(last_stable(&fixture), 2);
    end(&fixture, marker(0, false));
    let aborted = AbortedTransaction { producer_id: 7, first_offset: 0, last_offset: 3 };
    assert_eq!(fixture.partition.final_state().aborted, [aborted]);
    assert_eq!(committed(&fixture, 2), (2, vec![0]));
    fixture.partition.advance_log_start(&fixture.manifests, 4).await.unwrap();
    assert_eq!(fixture.partition.final_state().aborted, []);
}

#[tokio::test]
async fn a_producer_in_a_transaction_is_not_forgotten() {
    let fixture = Fixture::new().await;
    fixture.committed_transactional(&transactional(0, 0));
    assert!(fixture.partition.expire_producers(i64::MAX, 0), "it hangs (T6)");
    assert!(!fixture.partition.expire_producers(1_000 + TRANSACTION_LATE_MS, 0), "not yet");
    end(&fixture, marker(0, true));
    assert_eq!(last_stable(&fixture), 2);
    fixture.partition.expire_producers(i64::MAX, 0);
    assert_eq!(fixture.partition.final_state().producers.iter().count(), 0);
}
