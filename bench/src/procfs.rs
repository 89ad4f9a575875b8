//! CPU seconds of processes and of the whole machine, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks per second in `/proc` (USER_HZ, fixed on Linux).
const TICKS: f64 = 100.0;

/// User and system CPU seconds a process has used.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').context("a process name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS)
}

/// Resident bytes of a process.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kib * 1024)
}

/// Bytes that a process had read from a device: what its reads did not find in the page cache.
pub(crate) fn device_read_bytes(pid: u32) -> Result<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io"));
    let io = io.context("roles are not dumpable, so only root may read this")?;
    let bytes =
        io.lines().find_map(|line| line.strip_prefix("read_bytes: ")).context("read_bytes")?;
    Ok(bytes.trim().parse()?)
}

/// Busy CPU seconds of the machine since boot, over all cores.
pub(crate) fn machine_busy_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields: Vec<f64> = stat
        .lines()
        .next()
        .context("the cpu line")?
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    let idle = fields.get(3).unwrap_or(&0.0) + fields.get(4).unwrap_or(&0.0);
    Ok((fields.iter().take(8).sum::<f64>() - idle) / TICKS)
}

/// CPU seconds of this process with its ended children left out.
pub(crate) fn own_cpu_seconds() -> Result<f64> {
    cpu_seconds(std::process::id())
}

/// Cores of the machine.
pub(crate) fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}
