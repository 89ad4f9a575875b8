//! What an upload publishes, trims and survives.

use bytes::Bytes;
use protocol::batch::BatchBuilder;
use segment::Family;
use segment::seqlog::{EndReason, EndRecord, OpenSlot, SeqLogReader, place_end};

use super::*;
use crate::fixture::{Fixture, batch};

async fn uploader(fixture: &Fixture) -> Uploader {
    let open = OpenSlot::default();
    let writer =
        SeqLogWriter::create(fixture.store.clone(), Family::Data, fixture.log, &open).await;
    let front = Arc::clone(&fixture.front) as _;
    let (_nobody, leaving) = tokio::sync::mpsc::channel(1);
    let leaving = Leaving::new(leaving, Arc::default());
    Uploader::new(writer.unwrap(), Arc::clone(&fixture.cache), front, Arc::default(), leaving)
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
    let part = fixture.partition.cold_part(0, u64::MAX).unwrap();
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
