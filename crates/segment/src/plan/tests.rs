//! Plans: read by whoever carries them, changed by nobody (R36).

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use uuid::Uuid;

use super::{AbortedTransaction, PLAN_ABORTED_MAX, Plan, PlanError, bound_aborted};
use crate::extent::{Extent, Location};
use crate::keys::Key;
use crate::log_id::LogId;

const SECRET: &[u8] = b"the cluster's secret";

fn location() -> impl Strategy<Value = Location> {
    let slot = (0..4i32, any::<u64>()).prop_map(|(node, slot)| {
        let log = LogId { node: NodeId(node), generation: 1, incarnation: 2, nonce: 3 };
        Location::Slot { log, slot }
    });
    let object = "d/[0-9]{2}/[a-z]{1,9}".prop_map(|key| Location::Object(Key::from_text(&key)));
    prop_oneof![slot, object]
}

fn extent() -> impl Strategy<Value = Extent> {
    let numbers = (any::<u64>(), any::<u32>(), any::<i64>(), any::<i64>(), any::<i32>());
    (location(), numbers, any::<i64>()).prop_map(|(location, numbers, max_timestamp)| {
        let (byte_offset, byte_len, base_offset, last_offset, leader_epoch) = numbers;
        Extent {
            location,
            byte_offset,
            byte_len,
            base_offset,
            last_offset,
            leader_epoch,
            max_timestamp,
        }
    })
}

fn plan(extents: Vec<Extent>, aborted: Vec<(i64, i64, i64)>) -> Plan {
    let aborted = aborted.into_iter();
    Plan {
        partition: PartitionId {
            tenant: TenantId(1),
            topic: TopicId(Uuid::from_u128(9)),
            index: 4,
        },
        extents,
        aborted: aborted
            .map(|(producer_id, first_offset, last_offset)| AbortedTransaction {
                producer_id,
                first_offset,
                last_offset,
            })
            .collect(),
        high_watermark: 100,
        last_stable_offset: 90,
        log_start_offset: 10,
        leader_epoch: 3,
        manifest_version: 7,
        start_offset: 20,
        end_offset: 80,
        made_at: Duration::from_secs(5),
        life: Duration::from_secs(1),
    }
}

proptest! {
    #[test]
    fn plans_round_trip(extents in vec(extent(), 0..20), aborted in vec(any::<(i64, i64, i64)>(), 0..5)) {
        let plan = plan(extents, aborted);
        prop_assert_eq!(Plan::open(&plan.seal(SECRET), SECRET, Duration::from_millis(999)), Ok(plan));
    }

    #[test]
    fn any_bytes_are_refused(bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(Plan::open(&bytes, SECRET, Duration::ZERO), Err(PlanError::Forged));
    }
}

#[test]
fn a_changed_token_is_refused() {
    let token = plan(Vec::new(), vec![(1, 2, 3)]).seal(SECRET);
    for position in 0..token.len() {
        let mut bytes = token.to_vec();
        bytes[position] ^= 1;
        assert_eq!(
            Plan::open(&bytes, SECRET, Duration::ZERO),
            Err(PlanError::Forged),
            "byte {position}"
        );
        assert_eq!(Plan::open(&token[..position], SECRET, Duration::ZERO), Err(PlanError::Forged));
    }
}

#[test]
fn another_clusters_plan_is_refused() {
    let token = plan(Vec::new(), Vec::new()).seal(b"another secret");
    assert_eq!(Plan::open(&token, SECRET, Duration::ZERO), Err(PlanError::Forged));
}

#[test]
fn a_plan_expires() {
    let token = plan(Vec::new(), Vec::new()).seal(SECRET);
    assert!(Plan::open(&token, SECRET, Duration::from_millis(999)).is_ok());
    assert_eq!(Plan::open(&token, SECRET, Duration::from_secs(1)), Err(PlanError::Expired));
}

/// Only its maker may compare its clock with the time in it.
#[test]
fn a_plan_expires_for_its_maker_by_its_own_clock() {
    let token = plan(Vec::new(), Vec::new()).seal(SECRET);
    let open = |now_ms| Plan::open_own(&token, SECRET, Duration::from_millis(now_ms));
    assert!(open(5_999).is_ok());
    assert_eq!(open(6_000), Err(PlanError::Expired));
}

/// A plan of many small extents mostly repeats a few logs: 24 bytes a piece are not repeated.
#[test]
fn a_plan_of_many_extents_stays_small() {
    let log = LogId { node: NodeId(1), generation: 1, incarnation: 9, nonce: u64::MAX };
    let extents = (0..1000).map(|number| Extent {
        location: Location::Slot { log, slot: number / 10 },
        byte_offset: number * 32_768,
        byte_len: 32_768,
        base_offset: number as i64 * 100,
        last_offset: number as i64 * 100 + 99,
        leader_epoch: 3,
        max_timestamp: 1_700_000_000_000,
    });
    assert!(plan(extents.collect(), Vec::new()).seal(SECRET).len() < 40_000);
}

#[test]
fn a_plan_that_would_name_too_many_aborted_transactions_ends_earlier() {
    let of = |first_offset| AbortedTransaction {
        producer_id: first_offset,
        first_offset,
        last_offset: first_offset + 1,
    };
    let max = i64::try_from(PLAN_ABORTED_MAX).unwrap();
    let (mut few, mut offsets) = ((0..max).map(of).collect::<Vec<_>>(), 0..9_000);
    bound_aborted(&mut few, &mut offsets);
    assert_eq!((few.len(), offsets), (PLAN_ABORTED_MAX, 0..9_000));
    let (mut many, mut offsets) = ((5..max + 20).map(of).collect::<Vec<_>>(), 0..9_000);
    bound_aborted(&mut many, &mut offsets);
    assert_eq!((many.len(), offsets), (PLAN_ABORTED_MAX, 0..max + 5));
}
