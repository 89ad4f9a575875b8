//! What this process takes of its machine.

use std::{fs, num::NonZero, thread, time::Duration};

/// CPU time and memory, as of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all threads since the process began.
    pub cpu: Duration,
    /// Resident memory.
    pub memory_bytes: u64,
}

/// Measures. What the machine does not tell is 0.
pub fn usage() -> Usage {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Usage {
        cpu: Duration::try_from(cpu).unwrap_or_default(),
        memory_bytes: resident(&status).unwrap_or(0),
    }
}

/// The CPUs that this process may use.
pub fn cpus() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_takes_time_and_memory() {
        let before = usage();
        let mut sum = 0_u64;
        while usage().cpu == before.cpu {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(before.memory_bytes > 0);
        assert!(cpus() > 0);
    }

    #[test]
    fn memory_is_read_from_the_kernel_s_words() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   5120 kB\nVmData: 1 kB\n"), Some(5120 * 1024));
        assert_eq!(resident("VmRSS:\tmany\n"), None);
    }
}
