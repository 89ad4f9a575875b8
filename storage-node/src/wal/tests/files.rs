//! The front on real files.

use std::sync::Arc;

use super::harness::{all, write_blocks};
use crate::wal::{
    Damage, DiskFront, DiskFrontConfig, Disks, NoPromise, OpenError, RecoverError, recover,
};

const SIZE_BYTES: u64 = 1 << 20;

struct Place {
    _directory: tempfile::TempDir,
    config: DiskFrontConfig,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let config = DiskFrontConfig::new(directory.path().join("wal"), SIZE_BYTES);
    Place { _directory: directory, config }
}

fn open(place: &Place, log_id: &str, ended: Option<&str>) -> Result<DiskFront, OpenError> {
    DiskFront::open(&place.config, log_id, ended, Arc::new(NoPromise))
}

#[test]
fn a_missing_file_is_no_log() {
    assert!(recover(&Disks::machine(), &place().config.path).unwrap().is_none());
}

#[test]
fn a_log_survives_its_process() {
    let place = place();
    let front = open(&place, "log-1", None).unwrap();
    assert_eq!(std::fs::metadata(&place.config.path).unwrap().len(), SIZE_BYTES);
    let expected = write_blocks(&front, &[100, 60_000, 3000]);
    drop(front);
    let recovered = recover(&Disks::machine(), &place.config.path).unwrap().unwrap();
    assert_eq!(recovered.log_id(), "log-1");
    assert_eq!(all(&recovered), expected);
}

#[test]
fn a_file_has_one_user_at_a_time() {
    let place = place();
    let front = open(&place, "log-1", None).unwrap();
    assert!(matches!(recover(&Disks::machine(), &place.config.path), Err(RecoverError::Locked)));
    let second = open(&place, "log-2", Some("log-1"));
    assert!(matches!(second, Err(OpenError::Unreadable(RecoverError::Locked))));
    drop(front);
    let recovered = recover(&Disks::machine(), &place.config.path).unwrap();
    let second = open(&place, "log-2", Some("log-1"));
    assert!(matches!(second, Err(OpenError::Unreadable(RecoverError::Locked))));
    drop(recovered);
    open(&place, "log-2", Some("log-1")).unwrap();
}

#[test]
fn a_log_that_has_not_ended_is_not_overwritten() {
    let place = place();
    drop(open(&place, "log-1", None).unwrap());
    for ended in [None, Some("log-0")] {
        match open(&place, "log-2", ended) {
            Err(OpenError::Occupied { log_id }) => assert_eq!(log_id, "log-1"),
            other => panic!("{:?}", other.err()),
        }
    }
    drop(open(&place, "log-2", Some("log-1")).unwrap());
    assert_eq!(recover(&Disks::machine(), &place.config.path).unwrap().unwrap().log_id(), "log-2");
}

#[test]
fn a_new_size_makes_a_new_file() {
    let mut place = place();
    write_blocks(&open(&place, "log-1", None).unwrap(), &[100]);
    place.config.size_bytes = 3 << 20;
    let front = open(&place, "log-2", Some("log-1")).unwrap();
    let expected = write_blocks(&front, &[100_000; 3]);
    drop(front);
    assert_eq!(std::fs::metadata(&place.config.path).unwrap().len(), 3 << 20);
    assert_eq!(all(&recover(&Disks::machine(), &place.config.path).unwrap().unwrap()), expected);
}

#[test]
fn a_file_that_is_no_log_is_left_alone() {
    let place = place();
    std::fs::write(&place.config.path, vec![7; 1 << 20]).unwrap();
    for result in [open(&place, "log-1", None), open(&place, "log-1", Some("log-1"))] {
        let Err(OpenError::Unreadable(RecoverError::Corrupt { damage, .. })) = result else {
            panic!("opened over something else");
        };
        assert_eq!(damage, Damage::Superblocks);
    }
    assert_eq!(std::fs::read(&place.config.path).unwrap(), vec![7; 1 << 20]);
}

#[test]
fn what_a_crash_left_of_a_new_file_is_not_in_the_way() {
    let place = place();
    let mut draft = place.config.path.clone().into_os_string();
    draft.push(".new");
    std::fs::write(&draft, vec![7; 5 << 20]).unwrap();
    drop(open(&place, "log-1", None).unwrap());
    assert_eq!(std::fs::metadata(&place.config.path).unwrap().len(), SIZE_BYTES);
    assert!(!std::path::Path::new(&draft).exists());
}

#[test]
fn a_file_too_small_for_a_log_is_refused() {
    let mut place = place();
    place.config.size_bytes = 10_000;
    assert!(matches!(open(&place, "log-1", None), Err(OpenError::TooSmall { size_bytes: 10_000 })));
}
