//! A bound on the memory of processes, page cache included: a control group (version 1 or 2) of
//! their own, where this user may make one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A control group; it goes when this is dropped after its processes.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    group: PathBuf,
}

impl MemoryLimit {
    /// A group of at most `bytes` below this process's own, else at the top.
    pub(crate) fn new(name: &str, bytes: u64) -> Result<Self> {
        let (own, mounts) =
            (fs::read_to_string("/proc/self/cgroup")?, fs::read_to_string("/proc/self/mounts")?);
        let places = places(&own, &mounts).context("no control groups for memory here")?;
        let mut reasons = Vec::new();
        for place in places {
            let group = place.join(format!("thermocline-bench-{name}-{}", std::process::id()));
            match Self::make(group, bytes) {
                Ok(limit) => return Ok(limit),
                Err(error) => reasons.push(format!("{error:#}")),
            }
        }
        bail!("{}", reasons.join("; "))
    }

    fn make(group: PathBuf, bytes: u64) -> Result<Self> {
        fs::create_dir(&group).with_context(|| format!("cannot make {}", group.display()))?;
        let limit = Self { group };
        let keys = ["memory.max", "memory.limit_in_bytes"].map(|key| limit.group.join(key));
        let key = keys.iter().find(|key| key.exists()).context("its parent lends it no memory")?;
        fs::write(key, bytes.to_string())?;
        Ok(limit)
    }

    /// Moves a process into the group: what it takes from now on counts.
    pub(crate) fn add(&self, pid: u32) -> Result<()> {
        let file = self.group.join("cgroup.procs");
        fs::write(&file, pid.to_string()).with_context(|| file.display().to_string())
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let _still_in_use = fs::remove_dir(&self.group);
    }
}

/// Where a group may be made, by the texts of `/proc/self/cgroup` and `/proc/self/mounts`.
fn places(own: &str, mounts: &str) -> Option<[PathBuf; 2]> {
    let group = |memory: &str| {
        own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            controllers.split(',').any(|one| one == memory).then_some(path)
        })
    };
    let mount = |kind: &str, option: &str| {
        mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, at, this, options, ..] = fields[..] else { return None };
            (this == kind && options.split(',').any(|one| one == option)).then_some(at)
        })
    };
    // Where both versions are mounted, version 1 has the controller.
    let (root, path) = match (group("memory"), mount("cgroup", "memory")) {
        (Some(path), Some(root)) => (root, path),
        _ => (mount("cgroup2", "rw")?, group("")?),
    };
    let root = Path::new(root);
    Some([root.join(path.trim_start_matches('/')), root.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_made_where_the_memory_controller_is() {
        let own = "4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/d\n";
        let both = "cgroup /v1/cpu cgroup rw,cpu,cpuacct 0 0\n\
                    cgroup /v1/memory cgroup rw,relatime,memory 0 0\n\
                    cgroup2 /v2 cgroup2 rw,relatime 0 0\n";
        let second = both.lines().next_back().unwrap();
        let paths = |a: &str, b: &str| Some([PathBuf::from(a), PathBuf::from(b)]);
        assert_eq!(places(own, both), paths("/v1/memory/a/b", "/v1/memory"));
        assert_eq!(places("0::/d\n", second), paths("/v2/d", "/v2"));
        assert_eq!(places("0::/d\n", "proc /proc proc rw 0 0"), None);
    }
}
