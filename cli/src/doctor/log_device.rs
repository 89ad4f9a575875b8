//! The write-ahead log's volume: direct I/O, the time of a synced write, and room.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use rustix::fs::{OFlags, statvfs};
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
    vec![room(folder, &wal.path, wal.size.as_u64()), writes(folder)]
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
