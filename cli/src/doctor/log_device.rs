//! The write-ahead log's volume: whether it lasts, direct I/O, the time of a synced write, and room.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use rustix::fs::{OFlags, statfs, statvfs};
use rustix::io::pwrite;
use storage_node::WalKind;
use storage_node::config::WalConfig;
use tokio::time::Instant;

use super::Finding;

/// Direct I/O starts at multiples of this.
const ALIGN: usize = 4096;
/// Synced writes whose times are looked at.
const WRITES: u64 = 50;
/// An acknowledgement waits for one such write: disks without a write cache of their own take longer.
const SLOW: Duration = Duration::from_millis(10);

/// File systems by the numbers that Linux knows them by (linux/magic.h).
const MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
const OVERLAY: i64 = 0x794c_7630;
const NFS: i64 = 0x6969;

pub(super) fn examine(wal: &WalConfig) -> Vec<Finding> {
    if wal.kind != WalKind::Disk {
        return Vec::new();
    }
    let Some(folder) = wal.path.parent().filter(|folder| folder.is_dir()) else {
        return vec![Finding::bad(
            "log volume",
            format!("{} has no folder", wal.path.display()),
            "make the folder of storage_node.wal.path, on the volume the log is to be on",
        )];
    };
    let lasts = lasts(folder, file_system(folder));
    lasts.into_iter().chain([room(folder, &wal.path, wal.size.as_u64()), writes(folder)]).collect()
}

fn file_system(folder: &Path) -> i64 {
    statfs(folder).map_or(0, |stat| stat.f_type)
}

#[cfg(test)]
pub(super) fn is_in_memory(folder: &Path) -> bool {
    MEMORY.contains(&file_system(folder))
}

/// What is acknowledged is in the log: it must be there after what the node must survive. Memory takes
/// direct I/O as well, and fast.
fn lasts(folder: &Path, kind: i64) -> Option<Finding> {
    let what = "log volume";
    let seen = |is: &str| format!("{} is {is}", folder.display());
    if MEMORY.contains(&kind) {
        let fix =
            "put storage_node.wal.path on a disk: what is acknowledged would be lost with power";
        Some(Finding::bad(what, seen("in memory"), fix))
    } else if kind == OVERLAY {
        let fix = "mount a volume there: what is acknowledged would be lost with the container";
        Some(Finding::poor(what, seen("the container's own layer"), fix))
    } else if kind == NFS {
        let fix = "use a local disk or a block volume: locks and synced writes depend on a server";
        Some(Finding::poor(what, seen("on NFS"), fix))
    } else {
        None
    }
}

fn room(folder: &Path, log: &Path, size: u64) -> Finding {
    let there = fs::metadata(log).map_or(0, |metadata| metadata.len());
    let free = statvfs(folder).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let wanted = size.saturating_sub(there);
    let seen = format!("{} free, the log still needs {}", ByteSize::b(free), ByteSize::b(wanted));
    if free < wanted {
        Finding::bad("log room", seen, "lower storage_node.wal.size, or use a larger volume")
    } else {
        Finding::good("log room", seen)
    }
}

fn writes(folder: &Path) -> Finding {
    let what = "log writes";
    let fix = "use a local disk with a file system that has direct I/O (ext4, xfs)";
    match time_writes(folder, OFlags::DIRECT | OFlags::DSYNC) {
        Ok(median) if median > SLOW => Finding::poor(
            what,
            format!("4 KiB, direct and synced: {median:.1?} (median)"),
            "use a faster device: every acknowledgement waits for one such write",
        ),
        Ok(median) => {
            Finding::good(what, format!("4 KiB, direct and synced: {median:.1?} (median)"))
        }
        Err(error) => match time_writes(folder, OFlags::DSYNC) {
            Ok(median) => Finding::poor(
                what,
                format!("no direct I/O here ({error}); synced: {median:.1?} (median)"),
                fix,
            ),
            Err(error) => {
                let seen = format!("{} is not writable: {error}", folder.display());
                Finding::bad(what, seen, "give the role's user write access to it")
            }
        },
    }
}

/// The median of [`WRITES`] writes, in a scratch file that is removed again.
fn time_writes(folder: &Path, flags: OFlags) -> io::Result<Duration> {
    let path = folder.join(format!(".thermocline-doctor-{}", std::process::id()));
    let flags = i32::try_from(flags.bits()).expect("open flags fit into a C int");
    let opened = OpenOptions::new().write(true).create_new(true).custom_flags(flags).open(&path);
    let timed = opened.and_then(|file| {
        let memory = vec![0u8; 2 * ALIGN];
        let start = memory.as_ptr().align_offset(ALIGN);
        let mut times = Vec::new();
        for at in 0..WRITES {
            let started = Instant::now();
            pwrite(&file, &memory[start..start + ALIGN], at * ALIGN as u64)?;
            times.push(started.elapsed());
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    });
    let _ = fs::remove_file(&path);
    timed
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_log_in_memory_is_bad_however_fast_it_is() {
        let verdict = |kind| lasts(Path::new("/wal"), kind).map(|finding| finding.verdict);
        assert_eq!(verdict(0x0102_1994), Some(Verdict::Bad));
        assert_eq!(verdict(OVERLAY), Some(Verdict::Poor));
        assert_eq!(verdict(NFS), Some(Verdict::Poor));
        assert_eq!(verdict(0xef53), None, "ext4");
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            let wal =
                WalConfig { path: memory.join("wal"), ..storage_node::Config::new(1, "").wal };
            let found = examine(&wal);
            assert_eq!(found[0].verdict, Verdict::Bad, "{found:?}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_or_is_too_small_is_bad() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let gone = folder.path().join("gone");
        assert_eq!(writes(&gone).verdict, Verdict::Bad);
        let needs = |size| room(folder.path(), &folder.path().join("wal"), size).verdict;
        assert_eq!((needs(1), needs(u64::MAX)), (Verdict::Good, Verdict::Bad));
    }
}
