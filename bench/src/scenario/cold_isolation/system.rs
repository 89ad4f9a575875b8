//! The two systems, each filled with a backlog that its memory cannot hold.
//!
//! The same amount of memory for both, page cache included, and the same generator. What is in the
//! object store (a directory) is on the same disk as the node's log, and in the same page cache.

use std::any::Any;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::process::metric;

use crate::consume::{Consumer, Span};
use crate::load::{BENCH, Load};
use crate::memory_limit::MemoryLimit;
use crate::peers::{Flush, Kafka};
use crate::procfs;
use crate::wire::Security;

pub(super) const PARTITIONS: i32 = 4;
/// 16 times the node's hot cache.
const BACKLOG: u64 = 4 << 30;
const HOT_CACHE: &str = "256MiB";
/// Memory of each system, page cache included: a JVM of 1 GiB leaves Kafka a third of the backlog.
const MEMORY: u64 = 2300 << 20;
/// Bytes per second that are produced all the time.
const RATE: f64 = 50.0 * 1024.0 * 1024.0;
/// After the backlog is on the disk.
const SETTLE: Duration = Duration::from_secs(5);

/// One system under load.
pub(super) struct System {
    pub(super) name: &'static str,
    /// What its rows and its curve say of it.
    pub(super) label: String,
    pub(super) load: Load,
    pub(super) pids: Vec<u32>,
    /// The earliest records up to here are replayed.
    pub(super) ends: Vec<i64>,
    /// Where the next replay begins.
    pub(super) next: Vec<i64>,
    cold: Cold,
    // Dropped in this order: a group goes only when its processes are gone.
    _server: Box<dyn Any>,
    _limit: Option<MemoryLimit>,
}

/// Where to ask how much of what was read came from below the memory.
enum Cold {
    /// Bytes that a cold reader answered with.
    Reader(SocketAddr),
    /// Bytes that a process did not find in the page cache.
    Device(u32),
}

/// Gateway, node and cold reader, each a process; a directory as object store.
pub(super) fn thermocline(dir: &Path) -> Result<System> {
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 1,
        store: StoreKind::Directory,
        front: FrontKind::Disk,
        hot_cache: HOT_CACHE.to_owned(),
        wal_size: "512MiB".to_owned(),
        upload_interval: "1s".to_owned(),
        ..Spec::default()
    };
    let cluster = Cluster::start(dir, &spec)?;
    let roles = cluster.gateways.iter().chain(&cluster.nodes).chain(&cluster.readers);
    let pids = roles.filter_map(|role| role.process().map(|process| process.id())).collect();
    let address = cluster.gateways.first().context("a gateway")?.address();
    let cold = Cold::Reader(cluster.readers.first().context("a reader")?.http());
    let label = "Thermocline, durable on the device";
    System::start("thermocline", label, address, pids, cold, Box::new(cluster))
}

/// Apache Kafka as it is, which acknowledges from the page cache; `None` without its jars.
pub(super) fn kafka(dir: &Path) -> Result<Option<System>> {
    let Some(kafka) = Kafka::start(dir, Flush::PageCache, 4 * BACKLOG)? else { return Ok(None) };
    let (address, pids) = (kafka.address, kafka.pids());
    let cold = Cold::Device(*pids.first().context("a process")?);
    let label = "Apache Kafka 4.1, RF1, no fsync";
    System::start("kafka", label, address, pids, cold, Box::new(kafka)).map(Some)
}

impl System {
    fn start(
        name: &'static str,
        label: &str,
        address: SocketAddr,
        pids: Vec<u32>,
        cold: Cold,
        server: Box<dyn Any>,
    ) -> Result<Self> {
        let (limit, label) = match limit(name, &pids) {
            Ok(limit) => (Some(limit), format!("{label}, {} MiB of memory", MEMORY >> 20)),
            Err(error) => (None, format!("{label}, memory not limited ({error:#})")),
        };
        let load = Load {
            address,
            topic: "backlog".to_owned(),
            partitions: PARTITIONS,
            connections: PARTITIONS as usize,
            window: 64,
            records_per_batch: 16,
            record_len: 1008,
            duration: Duration::from_secs(1),
            rate: None,
            watch: None,
            client: BENCH,
            security: Security::default(),
        };
        let (ends, next, _server, _limit) = (Vec::new(), Vec::new(), server, limit);
        let mut system = Self { name, label, load, pids, ends, next, cold, _server, _limit };
        system.fill()?;
        Ok(system)
    }

    fn fill(&mut self) -> Result<()> {
        self.load.create_topic()?;
        self.load.fill(BACKLOG)?;
        self.ends = self.consumer(Span::Tail).ends()?;
        self.next = vec![0; self.ends.len()];
        // What is still to be written would be measured with the first phase.
        rustix::fs::sync();
        sleep(SETTLE);
        self.load.rate = Some(RATE);
        Ok(())
    }

    pub(super) fn consumer(&self, span: Span) -> Consumer {
        Consumer::new(self.load.address, &self.load.topic, PARTITIONS, span)
    }

    /// Bytes so far that consumers were given from below the memory.
    pub(super) fn cold_bytes(&self) -> Result<f64> {
        match self.cold {
            Cold::Reader(http) => metric(http, "cold_reader_fetch_bytes_total", ""),
            Cold::Device(pid) => Ok(procfs::device_read_bytes(pid)? as f64),
        }
    }
}

fn limit(name: &str, pids: &[u32]) -> Result<MemoryLimit> {
    let limit = MemoryLimit::new(name, MEMORY)?;
    pids.iter().try_for_each(|pid| limit.add(*pid))?;
    Ok(limit)
}
