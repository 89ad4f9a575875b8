//! Apache Kafka itself: one KRaft process from its Maven jars, with and without an fsync per batch.
//! Only the first has the durability of our acknowledgement; the second answers from the page cache.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use thermocline_tests::process::{Process, free_address};
use thermocline_tests::root;

/// When Kafka forces its log to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// `log.flush.interval.messages=1`: before each acknowledgement.
    EveryBatch,
    /// Kafka's default: whenever the operating system likes.
    PageCache,
}

/// A running broker.
#[derive(Debug)]
pub(crate) struct Kafka {
    process: Process,
    pub(crate) address: SocketAddr,
}

/// Any 22-character base64 UUID does.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

impl Kafka {
    /// Formats a log directory below `dir` and starts the broker, which keeps so many bytes of a
    /// partition; `None` where its jars are missing
    /// (`tests/scripts/setup kafka` installs them).
    pub(crate) fn start(dir: &Path, flush: Flush, kept: u64) -> Result<Option<Self>> {
        let jars = root().join(".tools/kafka");
        if !jars.exists() {
            return Ok(None);
        }
        let name = match flush {
            Flush::EveryBatch => "kafka-fsync",
            Flush::PageCache => "kafka",
        };
        let home = dir.join(name);
        fs::create_dir_all(&home)?;
        let (address, controller) = (free_address()?, free_address()?);
        let properties = home.join("server.properties");
        fs::write(&properties, self::properties(&home, address, controller, flush, kept))?;
        let java = |class: &str| {
            let mut command = Command::new("java");
            command.arg("-Xmx1g").arg("-cp").arg(jars.join("*")).arg(class);
            command
        };
        let format = java("kafka.tools.StorageTool")
            .args(["format", "-t", CLUSTER_ID, "-c"])
            .arg(&properties)
            .output()
            .context("java")?;
        if !format.status.success() {
            bail!("kafka format: {}", String::from_utf8_lossy(&format.stderr));
        }
        let mut command = java("kafka.Kafka");
        command.arg(&properties);
        let mut process = Process::spawn(name, command, dir)?;
        process.wait_for_port(address)?;
        Ok(Some(Self { process, address }))
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        vec![self.process.id()]
    }
}

fn properties(
    home: &Path,
    address: SocketAddr,
    controller: SocketAddr,
    flush: Flush,
    kept: u64,
) -> String {
    let flush = match flush {
        Flush::EveryBatch => "log.flush.interval.messages=1\n",
        Flush::PageCache => "",
    };
    format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@{controller}\n\
         listeners=PLAINTEXT://{address},CONTROLLER://{controller}\n\
         controller.listener.names=CONTROLLER\nlog.dirs={}\n\
         offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\nlog.retention.bytes={kept}\n{flush}",
        home.join("data").display()
    )
}
