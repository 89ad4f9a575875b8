//! Chains of logs and what a claim makes of them.

use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use segment::manifest::ProducersRef;
use segment::{Location, LogId};

use super::*;

fn log(incarnation: u64) -> LogId {
    LogId { node: NodeId(1), generation: 1, incarnation, nonce: incarnation }
}

fn link(incarnation: u64, start_offset: i64, end_offset: Option<i64>) -> Link {
    let epoch = i32::try_from(incarnation).unwrap();
    Link { epoch, log: log(incarnation), first_slot: 1, start_offset, end_offset, close_slot: None }
}

fn extent(base_offset: i64, last_offset: i64) -> Extent {
    Extent {
        location: Location::Slot { log: log(1), slot: 1 },
        byte_offset: 0,
        byte_len: 100,
        base_offset,
        last_offset,
        leader_epoch: 0,
        max_timestamp: 0,
    }
}

fn part(start_offset: i64, end_offset: i64, extents: Vec<Extent>) -> PartitionIndex {
    PartitionIndex { start_offset, end_offset, extents, ..PartitionIndex::default() }
}

fn manifest(chain: Vec<Link>, epochs: &[(i32, i64)]) -> Manifest {
    let id = PartitionId::new(TenantId::DEFAULT, TopicId::random(), 0);
    let head = chain.last().expect("a chain").clone();
    Manifest {
        chain,
        epoch_history: epochs.to_vec(),
        ..Manifest::create(id, head.epoch, head.log, head.first_slot)
    }
}

#[test]
fn parts_join_to_one_log() {
    let mut opened = OpenedLog::default();
    let first = part(0, 20, vec![extent(0, 9), extent(10, 19)]);
    follow(&mut opened, &link(1, 0, Some(20)), Some(&first), 0).unwrap();
    follow(&mut opened, &link(2, 20, Some(20)), None, 0).unwrap();
    follow(&mut opened, &link(3, 20, None), Some(&part(20, 25, vec![extent(20, 24)])), 0).unwrap();
    assert_eq!(opened.log_end, 25);
    assert_eq!(opened.extents.len(), 3);
}

#[test]
fn a_hole_in_a_log_is_damage_not_data() {
    let holes = [
        part(0, 20, vec![extent(0, 9), extent(11, 19)]),
        part(0, 20, vec![extent(0, 9)]),
        part(0, 20, vec![extent(1, 19)]),
        part(0, 19, vec![extent(0, 18)]),
    ];
    for hole in &holes {
        let outcome = follow(&mut OpenedLog::default(), &link(1, 0, Some(20)), Some(hole), 0);
        assert!(matches!(outcome, Err(OpenError::Damaged { .. })), "{hole:?}");
    }
    let nothing = follow(&mut OpenedLog::default(), &link(1, 0, Some(20)), None, 0);
    assert!(matches!(nothing, Err(OpenError::Damaged { .. })), "records that no log has");
}

#[test]
fn below_the_floor_a_log_need_not_hold_anything() {
    // Collected slots, a block that the log start lies in, and nothing left at all.
    let rests = [
        (part(10, 20, vec![extent(10, 19)]), 10),
        (part(0, 20, vec![extent(0, 9), extent(10, 19)]), 10),
        (part(5, 20, vec![extent(5, 9), extent(10, 19)]), 7),
    ];
    for (rest, floor) in &rests {
        let mut opened = OpenedLog::default();
        follow(&mut opened, &link(1, 0, Some(20)), Some(rest), *floor).unwrap();
        assert_eq!(opened.log_end, 20);
        assert!(opened.extents.iter().all(|extent| extent.last_offset >= *floor));
    }
    let mut opened = OpenedLog::default();
    follow(&mut opened, &link(1, 0, Some(20)), None, 20).unwrap();
    assert_eq!((opened.log_end, opened.extents.len()), (20, 0));
    let mut opened = OpenedLog::default();
    follow(&mut opened, &link(1, 0, None), None, 20).unwrap();
    assert_eq!(opened.log_end, 20, "no offset is used twice, even if all slots are gone (D6)");
    let hole = part(12, 20, vec![extent(12, 19)]);
    let outcome = follow(&mut opened, &link(1, 0, Some(20)), Some(&hole), 10);
    assert!(matches!(outcome, Err(OpenError::Damaged { .. })), "10 and 11 are needed");
}

#[test]
fn a_claim_drops_links_without_records_and_keeps_the_rest() {
    let chain = vec![
        link(1, 0, Some(10)),
        link(2, 10, Some(10)),
        link(3, 10, Some(30)),
        link(4, 30, Some(30)),
        link(5, 30, None),
    ];
    let mut manifest = manifest(chain, &[(1, 0), (2, 10), (3, 10), (4, 30), (5, 30)]);
    tidy(&mut manifest);
    let epochs: Vec<i32> = manifest.chain.iter().map(|link| link.epoch).collect();
    assert_eq!(epochs, [1, 3, 5]);
    assert_eq!(manifest.epoch_history, [(1, 0), (3, 10), (5, 30)]);
    assert_eq!(manifest.check(), Ok(()));
}

#[test]
fn a_claim_drops_links_below_the_log_start_but_no_epoch() {
    let chain = vec![link(1, 0, Some(10)), link(2, 10, Some(30)), link(3, 30, None)];
    let mut manifest = manifest(chain, &[(1, 0), (2, 10), (3, 30)]);
    manifest.log_start_offset = 10;
    tidy(&mut manifest);
    assert_eq!(manifest.chain.len(), 3, "only the first log knows its producers (T1)");
    manifest.producers = Some(ProducersRef { key: None, upto: 10 });
    tidy(&mut manifest);
    assert_eq!(manifest.chain.first().map(|link| link.start_offset), Some(10));
    assert_eq!(manifest.epoch_history.len(), 3, "consumers ask for old epochs too (C8)");
    assert_eq!(manifest.check(), Ok(()));
}
