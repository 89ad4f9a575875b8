//! What an upload publishes, trims and survives.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::batch::BatchBuilder;
use segment::Family;
use segment::seqlog::{EndReason, EndRecord, OpenSlot, SeqLogReader, place_end};

use super::*;
use crate::fixture::{Fixture, batch};
use crate::partition::Isolation;
use crate::partition::{EpochHistory, OpenedLog};
use crate::partitions::{Partitions, Released};
use crate::settings::TopicSettings;

async fn uploader(fixture: &Fixture) -> Uploader {
    let open = OpenSlot::default();
    let writer =
        SeqLogWriter::create(fixture.store.clone(), Family::Data, fixture.log, &open).await;
    let front = Arc::clone(&fixture.front) as _;
    let (_nobody, leaving) = tokio::sync::mpsc::channel(1);
    let leaving = Leaving::new(leaving, Arc::default(), Box::new(|_| ()));
    let keyring = fixture.store.keyring().clone();
    let cache = Arc::clone(&fixture.cache);
    Uploader::new(writer.unwrap(), cache, front, keyring, Arc::default(), leaving)
}

fn large(bytes: usize) -> Bytes {
    BatchBuilder::new().record(1_000, None, Some(&vec![7; bytes])).build()
}

#[tokio::test]
async fn the_front_is_trimmed_below_what_was_uploaded_and_not_what_is_durable() {
    let fixture = Fixture::new().await;
    let mut uploader = uploader(&fixture).await;
    for _ in 0..5 {
        let (_, _acks) = fixture.append(&large(10 << 20));
        fixture.front.commit();
    }
    assert!(uploader.upload_one().await.unwrap());
    let usage = fixture.front.usage();
    let three = 3 * large(10 << 20).len() as u64;
    assert_eq!(usage.trimmed, Lsn(three), "what one object holds (R25)");
    assert!(usage.durable > usage.trimmed);
    assert_eq!(fixture.read(0).0.uploaded_upto, 3);
    assert_eq!(uploader.next_slot.load(Ordering::Acquire), 2, "OPEN and one object");

    assert!(uploader.upload_one().await.unwrap());
    assert!(!uploader.upload_one().await.unwrap(), "nothing waits");
    assert_eq!(fixture.front.usage().trimmed, fixture.front.usage().end);
    let part = fixture.partition.cold_part(0, u64::MAX, Isolation::ReadUncommitted).unwrap();
    let offsets: Vec<_> = part.extents.iter().map(|extent| extent.base_offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn what_is_in_flight_in_the_front_is_not_uploaded() {
    let fixture = Fixture::new().await;
    let mut uploader = uploader(&fixture).await;
    let (_, _acks) = fixture.append(&batch(1));
    assert!(!uploader.upload_one().await.unwrap(), "it may never be acknowledged (R24)");
    fixture.front.commit();
    assert!(uploader.upload_one().await.unwrap());
}

#[tokio::test]
async fn an_upload_to_an_ended_log_is_fenced_and_trims_nothing() {
    let fixture = Fixture::new().await;
    let mut uploader = uploader(&fixture).await;
    let (_, _acks) = fixture.append(&batch(1));
    fixture.front.commit();
    let end = EndRecord { reason: EndReason::Failover as i32, lsn: 0, index: None };
    place_end(&fixture.store, Family::Data, &fixture.log, &end).await.unwrap();

    let fenced = uploader.upload_one().await;
    assert!(matches!(fenced, Err(UploadError::Fenced(_))), "{fenced:?}");
    assert_eq!(fixture.front.usage().trimmed, Lsn(0));
    assert_eq!(fixture.read(0).0.uploaded_upto, 0);
    let reader = SeqLogReader::new(fixture.store.clone(), Family::Data, fixture.log);
    assert!(reader.find_end().await.unwrap().is_some());
}

/// The partition of `fixture` in a later epoch.
async fn successor(fixture: &Fixture, epoch: i32) -> Arc<Partition> {
    let manifest = fixture.manifests.load(&fixture.partition.id()).await.unwrap().unwrap();
    let epochs = EpochHistory::new(vec![(3, 0), (epoch, 0)]);
    let opened = OpenedLog { epoch, epochs, ..OpenedLog::default() };
    let (front, cache) = (Arc::clone(&fixture.front) as _, Arc::clone(&fixture.cache));
    let settings = TopicSettings::default();
    Partition::new(fixture.partition.id(), opened, manifest, settings, front, cache)
}

/// Found by chaos: the second CLOSE of the former epoch took the next one with it, and that was
/// then begun a second time, at offsets it had given away already.
#[tokio::test]
async fn a_partition_that_was_asked_for_twice_leaves_once_and_its_next_epoch_stays() {
    let fixture = Fixture::new().await;
    let partitions = Arc::new(Partitions::default());
    partitions.insert(Arc::clone(&fixture.partition));
    let (requests, leaving) = tokio::sync::mpsc::channel(2);
    let mut leaving = Leaving::new(leaving, Arc::clone(&partitions), Box::new(|_| ()));
    fixture.partition.close(ErrorCode::NotLeaderOrFollower);
    let mut askers = Vec::new();
    for _ in 0..2 {
        let (told, hears) = tokio::sync::oneshot::channel();
        let (partition, store) = (Arc::clone(&fixture.partition), fixture.store.clone());
        requests.try_send(Closing { partition, store, told }).map_err(drop).unwrap();
        askers.push(hears);
    }
    let (first, _) = leaving.next(fixture.log).await.expect("everything is uploaded");
    leaving.left(first, 7);
    let id = fixture.partition.id();
    assert!(partitions.released(id, 3).is_some() && partitions.find(id).is_none());

    let next = successor(&fixture, 4).await;
    partitions.insert(Arc::clone(&next));
    assert!(leaving.next(fixture.log).await.is_none(), "epoch 3 has left");
    assert!(partitions.is_open(&next));
    assert!(partitions.has_served(id, 4) && !partitions.has_served(id, 5));
}

/// Producers wait for the rest of it only.
#[tokio::test]
async fn a_partition_serves_until_what_it_had_when_it_was_asked_for_is_uploaded() {
    let fixture = Fixture::new().await;
    let mut uploader = uploader(&fixture).await;
    let partitions = Arc::new(Partitions::default());
    partitions.insert(Arc::clone(&fixture.partition));
    let (requests, leaving) = tokio::sync::mpsc::channel(2);
    let mut leaving = Leaving::new(leaving, Arc::clone(&partitions), Box::new(|_| ()));
    let (_, _acks) = fixture.append(&batch(1));
    fixture.front.commit();
    let ask = || {
        let (told, hears) = tokio::sync::oneshot::channel();
        let (partition, store) = (Arc::clone(&fixture.partition), fixture.store.clone());
        requests.try_send(Closing { partition, store, told }).map_err(drop).unwrap();
        hears
    };
    let _asker = ask();
    assert!(leaving.next(fixture.log).await.is_none(), "its record is not uploaded");
    assert!(fixture.append(&batch(1)).0.is_ok(), "it serves meanwhile");
    assert!(uploader.upload_one().await.unwrap());
    assert!(leaving.next(fixture.log).await.is_none(), "its second record is not durable");
    assert!(fixture.append(&batch(1)).0.is_err(), "from here on the next owner serves");
    fixture.front.commit();
    assert!(uploader.upload_one().await.unwrap());
    let again = ask();
    let (closing, record) = leaving.next(fixture.log).await.expect("everything is uploaded");
    assert_eq!((record.epoch, record.end_offset), (3, 2));
    leaving.left(closing, 7);
    assert!(leaving.next(fixture.log).await.is_none(), "it left once");
    assert_eq!(again.await.map(|released| released.slot), Ok(7));
}

#[tokio::test]
async fn a_partition_stays_if_nobody_waits_for_it_any_more() {
    let fixture = Fixture::new().await;
    let partitions = Arc::new(Partitions::default());
    partitions.insert(Arc::clone(&fixture.partition));
    let (requests, leaving) = tokio::sync::mpsc::channel(1);
    let mut leaving = Leaving::new(leaving, Arc::clone(&partitions), Box::new(|_| ()));
    let (told, hears) = tokio::sync::oneshot::channel();
    let (partition, store) = (Arc::clone(&fixture.partition), fixture.store.clone());
    requests.try_send(Closing { partition, store, told }).map_err(drop).unwrap();
    drop(hears);
    assert!(leaving.next(fixture.log).await.is_none());
    assert!(fixture.append(&batch(1)).0.is_ok(), "it serves");
}

#[tokio::test]
#[should_panic(expected = "once per epoch")]
async fn no_epoch_is_begun_twice_in_one_incarnation() {
    let fixture = Fixture::new().await;
    let partitions = Partitions::default();
    partitions.insert(Arc::clone(&fixture.partition));
    partitions.release(&fixture.partition, Released { epoch: 3, slot: 7 });
    partitions.insert(successor(&fixture, 3).await);
}
