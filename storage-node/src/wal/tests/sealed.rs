//! Opening somebody else's log through its descriptor.

use std::sync::Arc;

use protocol::ids::NodeId;
use segment::{LogId, Store};

use super::harness::write_blocks;
use crate::wal::{
    DiskFront, DiskFrontConfig, Disks, FrontDescriptor, Lsn, NoPromise, RecoverError, open_sealed,
};

#[tokio::test]
async fn a_file_is_opened_for_the_incarnation_that_wrote_it_and_for_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wal");
    let store = Store::memory("test");
    let disks = Disks::machine();
    let log = LogId::fresh(NodeId(3), 1, 1);
    for front in [
        FrontDescriptor::Disk { path: path.clone() },
        FrontDescriptor::SharedDisk { path: path.clone() },
    ] {
        assert!(open_sealed(&front, log, &store, &disks).await.unwrap().is_none(), "no file yet");
    }

    let config = DiskFrontConfig::new(&path, 1 << 20);
    let front = DiskFront::open(&config, &log.to_string(), None, Arc::new(NoPromise)).unwrap();
    let expected = write_blocks(&front, &[100, 60_000, 3000]);
    let own = FrontDescriptor::Disk { path: path.clone() };
    let locked = open_sealed(&own, log, &store, &disks).await.err();
    assert!(matches!(locked, Some(RecoverError::Locked)), "its writer is here: {locked:?}");
    // A writer that is paused keeps its lock for ever; its promise does not last (R4).
    let shared = FrontDescriptor::SharedDisk { path };
    let sealed =
        open_sealed(&shared, log, &store, &disks).await.unwrap().expect("the file is there");
    drop(front);
    let last = expected.last().unwrap().lsn;
    assert_eq!((sealed.start(), sealed.end()), (Lsn(0), last.end));
    let chunk = sealed.read_sealed(expected[1].lsn.start, 1).await.unwrap();
    assert_eq!((chunk.entries, chunk.next), (expected[1..2].to_vec(), last.start));
    let after = sealed.read_sealed(last.end, 1).await.unwrap();
    assert!(after.entries.is_empty());

    drop(sealed);
    let other = LogId::fresh(NodeId(3), 1, 1);
    match open_sealed(&shared, other, &store, &disks).await.err() {
        Some(RecoverError::Foreign { log_id }) => assert_eq!(log_id, log.to_string()),
        refused => panic!("{refused:?}"),
    }
}
