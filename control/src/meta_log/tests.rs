//! The log over a store in memory: leaders follow each other, and only one writes a slot.

use super::*;

fn leader(control_id: &str) -> MetaRecord {
    MetaRecord::Leader { control_id: control_id.to_owned() }
}

#[tokio::test]
async fn a_reader_sees_what_was_appended() {
    let store = Store::memory("control");
    let (mut log, records) = MetaLog::open(&store, 1).await.unwrap();
    assert!(records.is_empty());
    let many: Vec<_> = (0..40).map(|n| leader(&n.to_string())).collect();
    for (record, slot) in many.iter().zip(1..) {
        assert_eq!(log.append(record).await.unwrap(), slot, "slot 0 is OPEN");
    }
    let (mut log, records) = MetaLog::open(&store, 2).await.unwrap();
    assert_eq!(records, many);
    assert_eq!(log.append(&leader("next")).await.unwrap(), 41);
}

#[tokio::test]
async fn a_stale_leader_loses_its_slot_for_ever() {
    let store = Store::memory("control");
    let (mut old, _) = MetaLog::open(&store, 1).await.unwrap();
    old.append(&leader("old")).await.unwrap();
    let (mut new, _) = MetaLog::open(&store, 2).await.unwrap();
    new.append(&leader("new")).await.unwrap();

    let refused = old.append(&leader("late")).await;
    assert!(matches!(refused, Err(MetaLogError::Overtaken)), "{refused:?}");
    let refused = old.append(&leader("later")).await;
    assert!(matches!(refused, Err(MetaLogError::Overtaken)), "{refused:?}");
    let (_, records) = MetaLog::open(&store, 3).await.unwrap();
    assert_eq!(records, [leader("old"), leader("new")]);
}

#[tokio::test]
async fn two_founders_of_an_empty_log_are_one() {
    let store = Store::memory("control");
    let (mut one, _) = MetaLog::open(&store, 1).await.unwrap();
    let (mut two, _) = MetaLog::open(&store, 2).await.unwrap();
    one.append(&leader("one")).await.unwrap();
    assert!(matches!(two.append(&leader("two")).await, Err(MetaLogError::Overtaken)));
}

#[tokio::test]
async fn a_record_of_a_newer_version_stops_the_reader() {
    let store = Store::memory("control");
    let (mut log, _) = MetaLog::open(&store, 1).await.unwrap();
    log.append(&leader("a")).await.unwrap();
    let unknown = vec![bytes::Bytes::from_static(&[9])];
    log.writer.append(SlotKind::Data, unknown).await.unwrap();
    let refused = MetaLog::open(&store, 2).await;
    assert!(matches!(refused, Err(MetaLogError::Foreign { slot: 2, .. })), "{refused:?}");
}
