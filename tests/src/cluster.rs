//! A whole cluster on loopback: etcd, an object store, and every role in a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use clap::ValueEnum;
use rustix::process::Signal;
use serde_json::Value;

pub use self::program::Program;
use self::texts::{Addresses, common, control_text, gateway_text, node_text, reader_text};
use crate::kafka_proxy::KafkaProxies;
use crate::pki::Pki;
use crate::process::{Process, free_address, http_get, metric};
use crate::s3_proxy::S3Proxy;
use crate::servers::{Etcd, EtcdVersion, S3};
use crate::thermocline_binary;

mod program;
mod texts;

/// What to start.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Storage nodes.
    pub nodes: usize,
    /// Gateways.
    pub gateways: usize,
    /// Cold readers.
    pub readers: usize,
    /// Control processes, of which one leads.
    pub controls: usize,
    /// Which etcd.
    pub etcd: EtcdVersion,
    /// Members of etcd.
    pub etcd_members: usize,
    /// Where the bytes end up.
    pub store: StoreKind,
    /// Where acknowledgements become durable.
    pub front: FrontKind,
    /// Hot cache of each node.
    pub hot_cache: String,
    /// Write-ahead log of each node.
    pub wal_size: String,
    /// The longest a record waits for its upload.
    pub upload_interval: String,
    /// More lines of each node's `[storage_node]` table.
    pub node_lines: String,
    /// More lines of each cold reader's `[cold_reader]` table.
    pub reader_lines: String,
    /// More lines of control's `[control]` table.
    pub control_lines: String,
    /// More lines of each gateway's `[gateway]` table. `{id}` is the gateway's number.
    pub gateway_lines: String,
    /// More of each gateway's file: tables, such as another listener. `{id}` is the gateway's number.
    pub gateway_tables: String,
    /// The `[compactor]` table of a compactor, if there is to be one.
    pub compactor: Option<String>,
    /// Whether clients reach the gateways through proxies that hold frames back.
    pub kafka_proxies: bool,
    /// Whether the processes speak TLS with each other and with etcd, all with certificates.
    pub tls: bool,
    /// What the processes are at first.
    pub program: Program,
}

/// The front of a cluster's nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FrontKind {
    /// A file of the node's own machine: its partitions wait for its restart.
    Disk,
    /// A file on a volume that other nodes reach at the same path: here, the same machine's.
    SharedDisk,
    /// The object store: any node takes over.
    Object,
}

impl FrontKind {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::SharedDisk => "shared-disk",
            Self::Object => "object",
        }
    }
}

/// The object store of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// SeaweedFS over its S3 API.
    S3,
    /// The same behind a proxy that fails on demand.
    FaultyS3,
    /// A directory: light enough not to distort a benchmark on two cores.
    Directory,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            nodes: 3,
            gateways: 2,
            readers: 2,
            controls: 1,
            etcd: EtcdVersion::Debian,
            etcd_members: 1,
            store: StoreKind::S3,
            front: FrontKind::Disk,
            hot_cache: "64MiB".to_owned(),
            wal_size: "64MiB".to_owned(),
            upload_interval: "5s".to_owned(),
            node_lines: String::new(),
            reader_lines: String::new(),
            control_lines: String::new(),
            gateway_lines: String::new(),
            gateway_tables: String::new(),
            compactor: None,
            kafka_proxies: false,
            tls: false,
            program: Program::default(),
        }
    }
}

/// A running cluster; everything ends when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Control, the first of its processes.
    pub control: Role,
    /// Its other ones, if there are any.
    pub other_controls: Vec<Role>,
    /// Storage nodes, by index.
    pub nodes: Vec<Role>,
    /// Cold readers, by index.
    pub readers: Vec<Role>,
    /// Gateways, by index.
    pub gateways: Vec<Role>,
    /// The compactor, if there is one.
    pub compactors: Vec<Role>,
    /// The metadata store.
    pub etcd: Etcd,
    /// What fails on demand between the roles and the object store, if the spec wants it.
    pub proxy: Option<S3Proxy>,
    /// What holds frames back between clients and gateways, if the spec wants it.
    pub kafka_proxies: Option<KafkaProxies>,
    /// Where clients reach the gateways.
    kafka: Vec<SocketAddr>,
    /// The object store, unless it is a directory.
    pub s3: Option<S3>,
}

/// One role's process with what is needed to start it again.
#[derive(Debug)]
pub struct Role {
    name: String,
    subcommand: &'static str,
    dir: PathBuf,
    config: PathBuf,
    address: SocketAddr,
    http: SocketAddr,
    process: Option<Process>,
    starts: usize,
    /// What it is from its next start on.
    pub program: Program,
}

impl Cluster {
    /// Starts everything below `dir` and waits until all roles are ready.
    pub fn start(dir: &Path, spec: &Spec) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let is_s3 = spec.store != StoreKind::Directory;
        let s3 = is_s3.then(|| S3::start(dir)).transpose()?;
        let proxy = match &s3 {
            Some(server) if spec.store == StoreKind::FaultyS3 => {
                Some(S3Proxy::start(server.endpoint)?)
            }
            _ => None,
        };
        let store = match (&s3, &proxy) {
            (_, Some(proxy)) => S3::config_section_at(proxy.address()),
            (Some(server), None) => S3::config_section_at(server.endpoint),
            (None, None) => {
                format!("[store]\nurl = \"file://{}\"\n", dir.join("objects").display())
            }
        };
        let mut cluster = Self::prepare(dir, spec, &store)?;
        (cluster.s3, cluster.proxy) = (s3, proxy);
        cluster.control.start()?;
        for role in cluster.followers() {
            role.start()?;
        }
        Ok(cluster)
    }

    /// Starts a second cluster below `dir` on the bucket of this one; its control must be configured
    /// to stand by. Waits for control alone: the others have nothing to join yet.
    pub fn second_site(&self, dir: &Path, spec: &Spec) -> Result<Self> {
        let server = self.s3.as_ref().context("a bucket that two clusters reach")?;
        let mut cluster = Self::prepare(dir, spec, &server.config_section())?;
        cluster.start_standby()?;
        Ok(cluster)
    }

    /// The same for one that was up before.
    pub fn start_standby(&mut self) -> Result<()> {
        self.control.start()?;
        self.followers().try_for_each(Role::spawn)
    }

    /// Starts etcd, and writes the files of roles that do not run yet.
    fn prepare(dir: &Path, spec: &Spec, store: &str) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let pki = spec.tls.then(|| Pki::new(dir, &spec.members())).transpose()?;
        let etcd = Etcd::start_members(dir, spec.etcd, spec.etcd_members, pki.as_ref())?;
        let fronts =
            (0..if spec.kafka_proxies { spec.gateways } else { 0 }).map(|_| free_address());
        let fronts = fronts.collect::<Result<Vec<SocketAddr>>>()?;
        let control = |role: &Addresses| control_text(role, &etcd, store) + &spec.control_lines;
        let others = (2..=spec.controls).map(|id| Role::new(dir, "control", id, control));
        let mut cluster = Self {
            control: Role::new(dir, "control", 1, control)?,
            other_controls: others.collect::<Result<_>>()?,
            nodes: roles(dir, "storage-node", spec.nodes, |role| {
                node_text(role, &etcd, store, spec)
            })?,
            readers: roles(dir, "cold-reader", spec.readers, |role| {
                reader_text(role, &etcd, store) + &spec.reader_lines
            })?,
            gateways: roles(dir, "gateway", spec.gateways, |role| {
                let numbered = |text: &str| text.replace("{id}", &role.id.to_string());
                let lines = numbered(&spec.gateway_lines);
                gateway_text(role, &etcd, fronts.get(role.id - 1), &lines)
                    + &numbered(&spec.gateway_tables)
            })?,
            compactors: roles(dir, "compactor", usize::from(spec.compactor.is_some()), |role| {
                let table = spec.compactor.as_deref().unwrap_or_default();
                format!("{}{store}[compactor]\n{table}\n", common(role, &etcd))
            })?,
            etcd,
            proxy: None,
            kafka_proxies: None,
            kafka: Vec::new(),
            s3: None,
        };
        cluster.roles().for_each(|role| role.program = spec.program.clone());
        cluster.connect_clients(fronts)?;
        Ok(cluster)
    }

    /// Every role's processes but the first of control.
    fn followers(&mut self) -> impl Iterator<Item = &mut Role> {
        let Self { other_controls, nodes, readers, gateways, compactors, .. } = self;
        other_controls.iter_mut().chain(nodes).chain(readers).chain(gateways).chain(compactors)
    }

    /// Puts proxies in front of the gateways, if there are addresses for any.
    fn connect_clients(&mut self, fronts: Vec<SocketAddr>) -> Result<()> {
        let gateways: Vec<SocketAddr> = self.gateways.iter().map(Role::address).collect();
        if fronts.is_empty() {
            self.kafka = gateways;
            return Ok(());
        }
        let proxies = KafkaProxies::new()?;
        for (front, gateway) in fronts.iter().zip(gateways) {
            proxies.add(*front, gateway)?;
        }
        (self.kafka, self.kafka_proxies) = (fronts, Some(proxies));
        Ok(())
    }

    /// All gateways, as clients are given them.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.kafka.iter().map(SocketAddr::to_string).collect();
        addresses.join(",")
    }

    /// Every role's processes.
    pub fn roles(&mut self) -> impl Iterator<Item = &mut Role> {
        let Self { control, other_controls, nodes, readers, gateways, compactors, .. } = self;
        let controls = std::iter::once(control).chain(other_controls);
        controls.chain(nodes).chain(readers).chain(gateways).chain(compactors)
    }

    /// Sends a signal to every role that runs.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.roles()
            .filter(|role| role.process().is_some())
            .try_for_each(|role| role.signal(signal))
    }

    /// Runs `thermocline rebuild --from-bucket` with control's configuration; what it prints.
    pub fn rebuild(&self) -> Result<String> {
        self.run(&["rebuild", "--from-bucket"])
    }

    /// Runs an operator's command with control's configuration; what it prints.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(thermocline_binary());
        let output = command.args(args).arg("--config").arg(&self.control.config).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{args:?}: {error}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Begins an operator's command (`thermocline drain 3`) with control's configuration; it prints
    /// JSON.
    pub fn begin_admin(&self, args: &[&str]) -> Result<Child> {
        let mut command = Command::new(thermocline_binary());
        command.args(args).arg("--json").arg("--config").arg(&self.control.config);
        Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    /// Runs an operator's command to its end; what it printed.
    pub fn admin(&self, args: &[&str]) -> Result<Value> {
        end_admin(self.begin_admin(args)?)
    }

    /// A metric's sum over all storage nodes that run.
    pub fn metric_of_nodes(&self, name: &str, label: &str) -> Result<f64> {
        self.nodes.iter().map(|role| metric(role.http, name, label)).sum()
    }

    /// A metric's sum over all cold readers that run.
    pub fn metric_of_readers(&self, name: &str, label: &str) -> Result<f64> {
        self.readers.iter().map(|role| metric(role.http, name, label)).sum()
    }

    /// A metric of the compactor.
    pub fn metric_of_compactors(&self, name: &str, label: &str) -> Result<f64> {
        self.compactors.iter().map(|role| metric(role.http, name, label)).sum()
    }

    /// Reads the whole bucket and checks its promises; the findings as an error, or the summary.
    pub fn scrub(&self) -> Result<String> {
        let (clean, report) = self.run_scrub()?;
        anyhow::ensure!(clean, "scrub:\n{report}");
        Ok(report)
    }

    /// The findings of a scrub, one per line; empty for a clean bucket.
    pub fn scrub_findings(&self) -> Result<Vec<String>> {
        let (clean, report) = self.run_scrub()?;
        let findings = report.lines().filter_map(|line| line.strip_prefix("finding: "));
        let findings: Vec<String> = findings.map(str::to_owned).collect();
        anyhow::ensure!(clean || !findings.is_empty(), "scrub:\n{report}");
        Ok(findings)
    }

    fn run_scrub(&self) -> Result<(bool, String)> {
        let output = Command::new(thermocline_binary())
            .args(["scrub", "--config"])
            .arg(&self.control.config)
            .output()?;
        let mut report = String::from_utf8_lossy(&output.stdout).into_owned();
        report.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), report))
    }

    /// A control configuration with the given `[store]` table, for tests of refusals.
    pub fn control_config(etcd: &Etcd, store: &str) -> Result<String> {
        let (address, http) = (free_address()?, free_address()?);
        Ok(control_text(
            &Addresses { subcommand: "control", id: 1, address, http, dir: PathBuf::new() },
            etcd,
            store,
        ))
    }
}

/// Waits for an operator's command; what it printed.
pub fn end_admin(command: Child) -> Result<Value> {
    let output = command.wait_with_output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{error}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn roles(
    dir: &Path,
    subcommand: &'static str,
    count: usize,
    config: impl Fn(&Addresses) -> String,
) -> Result<Vec<Role>> {
    (1..=count).map(|id| Role::new(dir, subcommand, id, &config)).collect()
}

impl Role {
    fn new(
        dir: &Path,
        subcommand: &'static str,
        id: usize,
        config: impl Fn(&Addresses) -> String,
    ) -> Result<Self> {
        let name = format!("{subcommand}-{id}");
        let data = dir.join(&name);
        fs::create_dir_all(&data)?;
        let addresses = Addresses {
            subcommand,
            id,
            address: free_address()?,
            http: free_address()?,
            dir: data,
        };
        let path = dir.join(format!("{name}.toml"));
        fs::write(&path, config(&addresses))?;
        Ok(Self {
            name,
            subcommand,
            dir: dir.to_owned(),
            config: path,
            address: addresses.address,
            http: addresses.http,
            process: None,
            starts: 0,
            program: Program::default(),
        })
    }

    /// Starts the role and waits until it says that it is ready.
    pub fn start(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_for_ready()
    }

    /// Starts the role and does not wait.
    pub fn spawn(&mut self) -> Result<()> {
        let command = self.program.command(self.subcommand, &self.config)?;
        self.process = Some(Process::spawn(&self.name, command, &self.dir)?);
        self.starts += 1;
        Ok(())
    }

    /// Waits until the running process says that it is ready.
    pub fn wait_for_ready(&mut self) -> Result<()> {
        self.process.as_mut().context("the role runs")?.wait_for_ready(self.http)
    }

    /// Whether the role says now that it is ready.
    pub fn is_ready(&self) -> bool {
        self.process.is_some() && http_get(self.http, "/readyz").is_ok()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends a signal, for example `Signal::STOP` and `Signal::CONT` to pause.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.as_ref().context("the role runs")?.signal(signal)
    }

    /// Whether the process has ended by itself; it counts as stopped then.
    pub fn reap(&mut self) -> bool {
        let ended = self.process.as_mut().is_some_and(Process::has_ended);
        if ended {
            self.process = None;
        }
        ended
    }

    /// Waits for the process to end by itself; it counts as stopped then.
    pub fn wait_exit(&mut self) -> Result<ExitStatus> {
        let status = self.process.as_mut().context("the role runs")?.wait_exit()?;
        self.process = None;
        Ok(status)
    }

    /// The same, with all that the process printed.
    pub fn last_words(&mut self) -> Result<(ExitStatus, String)> {
        let mut process = self.process.take().context("the role runs")?;
        Ok((process.wait_exit()?, process.log()))
    }

    /// SIGTERM and a clean exit.
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the role runs")?;
        let status = process.terminate()?;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Adds to its file what counts from its next start on.
    pub fn add_to_config(&self, text: &str) -> Result<()> {
        let config = fs::read_to_string(&self.config)?;
        Ok(fs::write(&self.config, config + text)?)
    }

    /// The role's name and number.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often the role was started.
    pub fn starts(&self) -> usize {
        self.starts
    }

    /// Where the role serves its own protocol.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin endpoint.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The process while it runs.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }
}
