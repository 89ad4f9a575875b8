//! Open files and memory.

use std::fs;

use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};

use super::Finding;

/// Connections, log segments and sockets of a busy role stay below this.
const FILES_WANTED: u64 = 65_536;

pub(super) fn examine(memory_wanted: u64) -> Vec<Finding> {
    let files = getrlimit(Resource::Nofile).maximum;
    vec![open_files(files), memory(memory_wanted, memory_of_machine())]
}

fn open_files(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < FILES_WANTED => Finding::poor(
            "open files",
            format!("at most {limit}"),
            format!(
                "raise the hard limit to {FILES_WANTED}: LimitNOFILE= of systemd, `ulimit -Hn`"
            ),
        ),
        Some(limit) => Finding::good("open files", format!("at most {limit}")),
        None => Finding::good("open files", "no limit"),
    }
}

/// What the role may take must leave room for its buffers and the system.
fn memory(wanted: u64, available: Option<u64>) -> Finding {
    let Some(available) = available else {
        return Finding::good("memory", "unknown: neither /proc/meminfo nor a control group tells");
    };
    let seen = format!(
        "{} configured for caches and logs, {} there",
        ByteSize::b(wanted),
        ByteSize::b(available)
    );
    if wanted > available {
        Finding::bad("memory", seen, "lower cache_size, wal.size or memory, or give it more")
    } else if wanted > available / 4 * 3 {
        Finding::poor("memory", seen, "leave a quarter for buffers and the system")
    } else {
        Finding::good("memory", seen)
    }
}

/// Of the control group if it has a limit, else of the machine.
fn memory_of_machine() -> Option<u64> {
    let of_group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let of_group = of_group.and_then(|text| text.trim().parse().ok());
    let of_machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    of_group.into_iter().chain(of_machine).min()
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn few_files_are_poor() {
        assert_eq!(open_files(Some(1024)).verdict, Verdict::Poor);
        assert_eq!(open_files(Some(FILES_WANTED)).verdict, Verdict::Good);
        assert_eq!(open_files(None).verdict, Verdict::Good);
    }

    #[test]
    fn memory_that_is_not_there_is_bad() {
        assert_eq!(memory(100, Some(99)).verdict, Verdict::Bad);
        assert_eq!(memory(80, Some(100)).verdict, Verdict::Poor);
        assert_eq!(memory(70, Some(100)).verdict, Verdict::Good);
        assert_eq!(memory(70, None).verdict, Verdict::Good);
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       24 kB\n"), Some(24 << 10));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }
}
