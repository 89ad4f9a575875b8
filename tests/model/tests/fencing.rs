//! The fencing protocol holds, and not one of its rules can be left out.
//!
//! Each mutation is searched with the smallest bounds that show what it breaks. The search
//! is breadth-first, so the number of steps is that of the shortest counterexample and moves
//! only if the model does. `--nocapture` prints the counterexamples.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::Model;
use thermocline_model::check::{explore, hunt};
use thermocline_model::drain::{ACKED_DRAINED, DECIDED_END, Drain, ONLY_DURABLE, TRIM_COVERED};
use thermocline_model::mutation::{DrainMutation, ObjectFrontMutation};
use thermocline_model::object_front::{
    ACKED_STAYS, NO_GAP_NO_REUSE, ONE_VALUE_PER_OFFSET, ObjectFront,
};

// ## The protocol

#[test]
fn the_object_front_keeps_what_it_acknowledged() {
    assert_holds(ObjectFront { missing: None, records: 3, in_flight_max: 3 }, 1);
}

#[test]
fn the_drain_keeps_what_the_front_acknowledged() {
    assert_holds(Drain { missing: None, records: 3 }, 1);
}

#[test]
#[ignore = "three million states"]
fn the_object_front_keeps_what_it_acknowledged_with_four_records() {
    assert_holds(ObjectFront { missing: None, records: 4, in_flight_max: 2 }, 2);
}

#[test]
#[ignore = "two million states"]
fn the_drain_keeps_what_the_front_acknowledged_with_four_records() {
    assert_holds(Drain { missing: None, records: 4 }, 2);
}

// ## Without one rule: a log of objects

/// R1: a suspected owner acknowledges, its successor acknowledges the same offset.
#[test]
fn r1_acknowledging_on_ownership_promises_an_offset_twice() {
    let model = object_front(ObjectFrontMutation::AckOnOwnership, 2, 1);
    assert_breaks(model, ONE_VALUE_PER_OFFSET, 7);
}

/// R2, R3: whoever claims without END leaves the old owner's log open.
#[test]
fn r3_claiming_without_end_promises_an_offset_twice() {
    let model = object_front(ObjectFrontMutation::NoEnd, 2, 1);
    assert_breaks(model, ONE_VALUE_PER_OFFSET, 10);
}

/// R3: a record lands between the reading and END, and the claim starts below it.
#[test]
fn r3_reading_before_end_uses_an_offset_again() {
    let model = object_front(ObjectFrontMutation::ClaimFromStaleRead, 1, 1);
    assert_breaks(model, NO_GAP_NO_REUSE, 5);
}

/// R8: a zombie's late PUT creates the slot where END was, and is acknowledged.
#[test]
fn r8_deleting_end_lets_a_zombie_acknowledge() {
    let model = object_front(ObjectFrontMutation::GcDeletesEnd, 1, 1);
    assert_breaks(model, ACKED_STAYS, 9);
}

/// R13: what refused the PUT was END.
#[test]
fn r13_taking_a_refusal_for_success_loses_a_record() {
    let model = object_front(ObjectFrontMutation::Treat412AsOk, 1, 1);
    assert_breaks(model, ACKED_STAYS, 5);
}

/// R14: the first attempt arrives after all, the second is acknowledged.
#[test]
fn r14_trying_again_with_other_bytes_acknowledges_what_is_not_there() {
    let model = object_front(ObjectFrontMutation::RebatchSameSeq, 2, 1);
    assert_breaks(model, ACKED_STAYS, 6);
}

/// R15: the slot before the acknowledged one is a hole, where END may go.
#[test]
fn r15_acknowledging_out_of_order_leaves_a_record_behind_a_hole() {
    let model = object_front(ObjectFrontMutation::AckOutOfOrder, 2, 2);
    assert_breaks(model, ACKED_STAYS, 5);
}

/// R16: the zombie's PUT replaces END.
#[test]
fn r16_a_store_without_atomic_conditions_promises_an_offset_twice() {
    let model = object_front(ObjectFrontMutation::StoreNotAtomic, 2, 1);
    assert_breaks(model, ONE_VALUE_PER_OFFSET, 11);
}

/// R20: the zombie fills the hole before END.
#[test]
fn r20_placing_end_behind_the_highest_slot_loses_a_record() {
    let model = object_front(ObjectFrontMutation::EndAfterListing, 2, 2);
    assert_breaks(model, ACKED_STAYS, 10);
}

/// R22: the second claim wipes out the first, and both owners acknowledge.
#[test]
fn r22_claiming_without_comparing_promises_an_offset_twice() {
    let model = object_front(ObjectFrontMutation::NoCas, 2, 1);
    assert_breaks(model, ONE_VALUE_PER_OFFSET, 13);
}

// ## Without one rule: a front that is drained

/// R1: durable, but after the drainer had read the front.
#[test]
fn r1_acknowledging_without_a_lease_loses_a_record() {
    assert_breaks(drain(DrainMutation::NoLeaseCheck), ACKED_DRAINED, 6);
}

/// R4: the lease runs out between the check and the write.
#[test]
fn r4_checking_the_lease_before_the_write_loses_a_record() {
    assert_breaks(drain(DrainMutation::CheckBeforeWrite), ACKED_DRAINED, 6);
}

/// R4: the owner acknowledges under its lease what the drainer did not wait for.
#[test]
fn r4_draining_before_the_lease_runs_out_loses_a_record() {
    assert_breaks(drain(DrainMutation::DrainBeforeExpiry), ACKED_DRAINED, 6);
}

/// R24: consumers read a record that the front never had.
#[test]
fn r24_uploading_what_is_not_durable_invents_a_record() {
    assert_breaks(drain(DrainMutation::UploadUndurable), ONLY_DURABLE, 3);
}

/// R25: if the upload then fails, neither front nor log has the record.
#[test]
fn r25_trimming_before_the_upload_is_committed_leaves_a_hole() {
    assert_breaks(drain(DrainMutation::TrimBeforeCommit), TRIM_COVERED, 4);
}

/// R26: the zombie's last upload lands after the snapshot and before END.
#[test]
fn r26_taking_the_end_from_a_snapshot_uses_an_offset_again() {
    assert_breaks(drain(DrainMutation::LeoFromSnapshot), DECIDED_END, 7);
}

fn object_front(missing: ObjectFrontMutation, records: u8, in_flight_max: usize) -> ObjectFront {
    ObjectFront { missing: Some(missing), records, in_flight_max }
}

fn drain(missing: DrainMutation) -> Drain {
    Drain { missing: Some(missing), records: 1 }
}

/// Every reachable state keeps the invariants, and what the model is for is among them.
fn assert_holds<M>(model: M, threads: usize)
where
    M: Model + Debug + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let name = format!("{model:?}");
    let exploration = explore(model, threads);
    eprintln!("{name}: {} states, depth {}", exploration.states, exploration.depth);
    assert!(exploration.broken.is_empty(), "{name} breaks {:#?}", exploration.broken);
    assert!(exploration.unreached.is_empty(), "{name} misses {:#?}", exploration.unreached);
}

/// The invariant breaks, in `steps` steps and no fewer.
fn assert_breaks<M>(model: M, invariant: &'static str, steps: usize)
where
    M: Model + Debug + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let name = format!("{model:?}");
    let hunt = hunt(model, invariant);
    let way = hunt.way.unwrap_or_else(|| panic!("{name} is not caught: {} states", hunt.states));
    eprintln!("{name}: {} steps after {} states: {way:?}", way.len(), hunt.states);
    assert_eq!(way.len(), steps, "{name}, shortest way to break {invariant:?}: {way:?}");
}
