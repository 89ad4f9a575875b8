//! `thermocline dev`: all roles in one process, on embedded defaults.
//!
//! The metadata store is a redb file, the object store a directory, and the hop between the roles a
//! function call. Everything else is what a cluster runs: the same write-ahead log, uploads, plans
//! and cold reads.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytesize::ByteSize;
use clap::Args;
use control::api::admin_token;
use hop::Role;
use metadata::MetadataStore;
use segment::{Store, StoreConfig};
use serde::Deserialize;
use tenant_keys::KeyWrapper;
use tokio::time::Instant;

use crate::background::{Background, Elsewhere};
use crate::config;
use crate::files::{ClusterConfig, Http, Log, Metadata};
use crate::startup::{
    Membership, Process, join, load_keys, open_metadata, open_store, start_compactor,
    wait_for_partitions,
};

/// Groups of a single node need no spreading; fewer internal partitions open faster.
const GROUP_STATE_PARTITIONS: i32 = 4;

/// What a user may choose.
#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// Where everything is kept; created when missing.
    #[arg(long, value_name = "DIR", default_value = "data/dev")]
    data_dir: PathBuf,
    /// Where Kafka clients connect.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    kafka: SocketAddr,
    /// Where /metrics, /healthz and /readyz answer.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9644")]
    http: SocketAddr,
    /// Memory for recent records; older ones are read back from the object store.
    #[arg(long, value_name = "SIZE", default_value = "128MiB")]
    hot_cache: ByteSize,
    /// Size of the write-ahead log file.
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    wal_size: ByteSize,
    /// A TOML file with a `[compactor]` table: when small objects become large ones, and when what
    /// nobody needs is deleted.
    #[arg(long, value_name = "FILE")]
    compactor: Option<PathBuf>,
    /// A file of key-encryption keys, for tenants whose records are to be encrypted.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// What to log, as a level or filter.
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// Runs the node until SIGTERM or Ctrl-C.
pub(crate) async fn run(arguments: DevArguments) -> Result<()> {
    let started = Instant::now();
    let log = Log { filter: arguments.log.clone(), ..Log::default() };
    let http = Http { listen: arguments.http };
    let process = Process::start("dev", &http, &log).await?;
    let gate = process.readiness.gate("dev");
    let folder = Folder::prepare(&arguments.data_dir)?;
    let metadata = open_metadata(&folder.metadata()).await?;
    let store = open_store(&folder.store(), "control").await?;

    let encryption = tenant_keys::EncryptionConfig { key_file: arguments.key_file.clone() };
    let member = start_control(&process, metadata, &store, encryption.wrapper()).await?;
    load_keys(&process, &member, &store, &encryption).await?;
    let node = start_node(&process, &member, &store, &arguments, &folder).await?;
    let background = Background::start().context("cannot start the background runtime")?;
    start_reader(&process, &member, &store, &background).await?;
    start_compactor(&process, &member, &store, arguments.compactor()?)?;
    wait_for_partitions(&node).await;
    let kafka = start_gateway(&process, &member, arguments.kafka, &background).await?;
    folder.write_operator(&member)?;
    gate.open();
    announce(kafka, &arguments, started);
    process.run_until(member.over(), node.finished()).await
}

impl DevArguments {
    fn compactor(&self) -> Result<compactor::Config> {
        let Some(path) = &self.compactor else { return Ok(compactor::Config::default()) };
        let file: CompactorTable = config::load(path)?;
        Ok(file.compactor)
    }
}

/// The one table of a compactor's file that the single node needs.
#[derive(Debug, Deserialize)]
struct CompactorTable {
    compactor: compactor::Config,
}

/// In the data directory, for operators' commands.
const OPERATOR_FILE: &str = "operator.toml";

/// The files of a data directory.
struct Folder(PathBuf);

impl Folder {
    fn prepare(path: &Path) -> Result<Self> {
        let told = || {
            format!(
                "--data-dir \"{}\" cannot be used; choose a folder this user may write",
                path.display()
            )
        };
        fs::create_dir_all(path.join("objects")).with_context(told)?;
        Ok(Self(path.canonicalize().with_context(told)?))
    }

    fn metadata(&self) -> Metadata {
        Metadata { url: format!("redb://{}", self.0.join("metadata.redb").display()), tls: None }
    }

    fn store(&self) -> StoreConfig {
        StoreConfig::new(format!("file://{}", self.0.join("objects").display()))
    }

    fn wal(&self) -> PathBuf {
        self.0.join("wal")
    }

    /// What operators' commands take as `--config`: nobody else can open the metadata store of this
    /// process. Only this user may read it.
    fn write_operator(&self, member: &Membership) -> Result<()> {
        let leader = member.view.leader().context("control does not lead")?;
        let cluster = member.view.cluster().context("there is no cluster")?;
        let token = admin_token(&cluster.secret);
        let text = format!("[admin]\naddress = \"{}\"\ntoken = \"{token}\"\n", leader.admin);
        let path = self.0.join(OPERATOR_FILE);
        let told = || format!("cannot write {}", path.display());
        // Made anew: one that is there may be readable to others.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(told);
            }
            _ => {}
        }
        let mut file = OpenOptions::new();
        let mut file =
            file.write(true).create_new(true).mode(0o600).open(&path).with_context(told)?;
        file.write_all(text.as_bytes()).with_context(told)
    }
}

/// Founds the cluster on the first start, then joins it as all roles at once.
async fn start_control(
    process: &Process,
    metadata: Arc<dyn MetadataStore>,
    store: &Store,
    keeper: Arc<dyn KeyWrapper>,
) -> Result<Membership> {
    let config = control::Config {
        listen: loopback(),
        group_state_partitions: GROUP_STATE_PARTITIONS,
        ..control::Config::new("dev")
    };
    // One process, one folder: nobody else can still run on the metadata that is lost.
    let found = || control::bootstrap(&config, &process.clock, &*metadata, store);
    match found().await {
        Err(control::BootstrapError::MetadataLost { .. }) => {
            let rebuilt = control::rebuild(&*metadata, store).await?;
            tracing::warn!(?rebuilt, "metadata was lost and is rebuilt from the objects");
            found().await?
        }
        founded => founded?,
    };
    control::finish_alone(store).await?;
    let member = join(metadata, Role::Dev, &ClusterConfig::default(), &process.plumbing).await?;
    let deps = control::Deps {
        clock: process.clock.clone(),
        metadata: Arc::clone(&member.metadata),
        view: member.view.clone(),
        store: store.clone(),
        peers: member.peers.clone(),
        keeper,
    };
    let control = control::start(config, deps, process.roles.clone()).await?;
    member.peers.register_local(&control.advertised, control.handler);
    Ok(member)
}

async fn start_node(
    process: &Process,
    member: &Membership,
    store: &Store,
    arguments: &DevArguments,
    folder: &Folder,
) -> Result<storage_node::NodeHandle> {
    let mut config = storage_node::Config::new(1, folder.wal());
    config.listen = loopback().to_string();
    config.cache_size = arguments.hot_cache;
    config.wal.size = arguments.wal_size;
    config.groups.initial_rebalance_delay = Duration::ZERO;
    let deps = storage_node::Deps {
        clock: process.clock.clone(),
        metadata: Arc::clone(&member.metadata),
        view: member.view.clone(),
        store: store.for_role("storage-node"),
        disks: storage_node::Disks::machine(),
        peers: member.peers.clone(),
    };
    let node = storage_node::start(config, deps, process.roles.clone()).await?;
    member.peers.register_local(node.address(), node.handler());
    Ok(node)
}

/// On threads of its own, as it is a process of its own in a cluster.
async fn start_reader(
    process: &Process,
    member: &Membership,
    store: &Store,
    background: &Background,
) -> Result<()> {
    let mut config = cold_reader::Config::new(1);
    config.listen = loopback();
    config.memory = ByteSize::mib(64);
    let deps = cold_reader::Deps {
        peers: member.peers.clone(),
        metadata: Arc::clone(&member.metadata),
        view: member.view.clone(),
        store: store.for_role("cold-reader"),
    };
    let (runtime, drain) = (background.handle().clone(), process.roles.clone());
    let reader = runtime.spawn(cold_reader::start(config, deps, drain.clone())).await??;
    let handler = Elsewhere { handler: reader.handler, runtime, drain };
    member.peers.register_local(&reader.advertised, Arc::new(handler));
    Ok(())
}

async fn start_gateway(
    process: &Process,
    member: &Membership,
    kafka: SocketAddr,
    background: &Background,
) -> Result<SocketAddr> {
    let mut config = gateway::Config::new(1);
    config.listeners[0].bind = kafka.to_string();
    let deps = gateway::Deps {
        clock: process.clock.clone(),
        metadata: Arc::clone(&member.metadata),
        view: member.view.clone(),
        peers: member.peers.clone(),
        background: background.handle().clone(),
    };
    let gateway = gateway::start(config, deps, process.front_door.clone()).await?;
    Ok(gateway.addresses[0])
}

/// Internal ports of the single node: loopback, any free port.
fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// One line starting with `ready`, then what to type next.
#[expect(clippy::print_stdout, reason = "the ready line is this command's contract")]
fn announce(kafka: SocketAddr, arguments: &DevArguments, started: Instant) {
    println!(
        "ready in {:.1} s: Kafka on {kafka}, metrics on http://{}/metrics, data in {}",
        started.elapsed().as_secs_f64(),
        arguments.http,
        arguments.data_dir.display()
    );
    println!("  produce a line, read it back, read it as a group:");
    println!("  $ echo hello | kcat -P -b {kafka} -t greetings");
    println!("  $ kcat -C -b {kafka} -t greetings -o beginning");
    println!("  $ kcat -b {kafka} -G readers -X auto.offset.reset=earliest greetings");
    let program = std::env::args().next().unwrap_or_else(|| "thermocline".to_owned());
    let operator = arguments.data_dir.join(OPERATOR_FILE);
    println!("  see what it does:");
    println!("  $ {program} partitions --config {}", operator.display());
}
