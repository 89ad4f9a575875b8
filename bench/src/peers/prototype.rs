//! A C prototype of node and gateway (`floor` and `relay`), built from a folder beside the repository
//! where that exists: the empirical speed of light. Without it its rows are left out.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use thermocline_tests::process::{Process, free_address};
use thermocline_tests::root;

/// Size of the prototype's log file, the same as the node's in these scenarios.
const LOG_BYTES: usize = 256 << 20;

/// The prototype: a storage node that acknowledges after a direct, synchronous write, behind a relay
/// that parses frames.
#[derive(Debug)]
pub(crate) struct Prototype {
    node: Process,
    gateway: Process,
    pub(crate) address: SocketAddr,
}

impl Prototype {
    /// Compiles and starts it; `None` where its sources are not on this machine.
    pub(crate) fn start(dir: &Path) -> Result<Option<Self>> {
        let Some(sources) = sources() else { return Ok(None) };
        let floor = compile(&sources.join("floor.c"), &dir.join("floor"))?;
        let relay = compile(&sources.join("relay.c"), &dir.join("relay"))?;
        let log = dir.join("floor.wal");
        write_zeros(&log)?;
        let (node_at, address) = (free_address()?, free_address()?);
        let mut command = Command::new(floor);
        command.arg(node_at.port().to_string()).arg("wal").arg(&log);
        let mut node = Process::spawn("floor", command, dir)?;
        node.wait_for_port(node_at)?;
        let mut command = Command::new(relay);
        command.arg(address.port().to_string()).arg(node_at.to_string());
        let mut gateway = Process::spawn("relay", command, dir)?;
        gateway.wait_for_port(address)?;
        Ok(Some(Self { node, gateway, address }))
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        vec![self.node.id(), self.gateway.id()]
    }
}

/// `THERMOCLINE_PERF_SOURCES`, else `../shared/perf` beside the repository.
fn sources() -> Option<PathBuf> {
    let folder = std::env::var_os("THERMOCLINE_PERF_SOURCES")
        .map_or_else(|| root().join("../shared/perf"), PathBuf::from);
    folder.join("floor.c").exists().then_some(folder)
}

fn compile(source: &Path, binary: &Path) -> Result<PathBuf> {
    let output = Command::new("cc")
        .args(["-O2", "-march=native", "-w", "-o"])
        .arg(binary)
        .arg(source)
        .arg("-lpthread")
        .output()
        .context("cc")?;
    if !output.status.success() {
        bail!("cc {}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(binary.to_owned())
}

fn write_zeros(path: &Path) -> Result<()> {
    let mut file = fs::File::create(path)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..LOG_BYTES / zeros.len() {
        file.write_all(&zeros)?;
    }
    Ok(file.sync_all()?)
}
