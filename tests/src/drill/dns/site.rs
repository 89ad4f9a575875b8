//! The cluster of the drill: a name server, two gateway sets, four vantage points and two clients, each
//! on a host of its own.

mod texts;

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use self::texts::{control_text, gateway_text, node_text, vantage_text};
use crate::clients::{Client, python};
use crate::named::Named;
use crate::netns::{Host, Network};
use crate::process::Process;
use crate::thermocline_binary;

/// How long resolvers may keep the clients' name.
pub(super) const TTL: Duration = Duration::from_secs(5);
/// What clients are given: the name that moves.
const BOOTSTRAP: &str = "kafka.drill.test:9092";
/// The port where gateways advertise their own addresses, which never move.
const OWN_PORT: u16 = 9093;

/// Everything; it ends when it is dropped.
pub(super) struct Site {
    dir: PathBuf,
    core: Host,
    clients: Host,
    vantages: Vec<Host>,
    primary: Vec<Gateway>,
    standby: Vec<Gateway>,
    _servers: Vec<Process>,
    _named: Named,
    // Last: processes end before their network does.
    _network: Network,
}

struct Gateway {
    name: String,
    host: Host,
    process: Option<Process>,
}

/// A producer that never stops.
pub(super) struct Beat {
    pub(super) name: &'static str,
    pub(super) process: Process,
    /// A line `ack NUMBER TIME` for each record that was acknowledged, `error …` for others.
    pub(super) log: PathBuf,
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

impl Site {
    pub(super) fn start(dir: &Path) -> Result<Self> {
        let mut network = Network::new(address(53))?;
        let name_server = network.host("dns", address(53))?;
        let core = network.host("core", address(1))?;
        let clients = network.host("clients", address(41))?;
        let vantages = (31..=33).map(|last| network.host(&format!("v{last}"), address(last)));
        let vantages = vantages.collect::<Result<Vec<_>>>()?;
        let mut gateways = |set: &str, first: u8| {
            let gateway = |last: u8| {
                let name = format!("{set}-{last}");
                let host = network.host(&format!("g{last}"), address(last))?;
                fs::write(dir.join(format!("{name}.toml")), gateway_text(set, last))?;
                Ok(Gateway { name, host, process: None })
            };
            (first..first + 2).map(gateway).collect::<Result<Vec<_>>>()
        };
        let (primary, standby) = (gateways("primary", 11)?, gateways("standby", 21)?);
        let at = SocketAddrV4::new(name_server.address, 53);
        let named = Named::start(dir, name_server.command("named"), at, TTL.as_secs())?;
        let mut servers = vec![etcd(dir, &core)?];
        let control = control_text(dir, named.table());
        servers.push(role(dir, &core, "control", "control", &control)?);
        servers.push(role(dir, &core, "storage-node", "node", &node_text(dir))?);
        for (vantage, last) in vantages.iter().zip(31..) {
            let name = format!("v{last}");
            servers.push(role(dir, vantage, "vantage", &name, &vantage_text(&name))?);
        }
        let mut site = Self {
            dir: dir.to_owned(),
            core,
            clients,
            vantages,
            primary,
            standby,
            _servers: servers,
            _named: named,
            _network: network,
        };
        site.thermocline(&["tenant", "create", "probes"])?;
        site.start_primary()?;
        start(&site.dir, &mut site.standby)?;
        super::wait("both sets to serve", || {
            let Ok(sets) = site.sets() else { return Ok(false) };
            let serve = |set| super::verdict(&sets, set) == "serves";
            Ok(serve("primary") && serve("standby") && super::is_active(&sets, "primary", 1))
        })?;
        Ok(site)
    }

    /// SIGKILL to every primary gateway at once.
    pub(super) fn kill_primary(&mut self) {
        self.primary.iter_mut().for_each(|gateway| gateway.process = None);
    }

    pub(super) fn start_primary(&mut self) -> Result<()> {
        start(&self.dir, &mut self.primary)
    }

    /// The primary gateways run on, and no packet reaches them or leaves them.
    pub(super) fn swallow_primary(&self) -> Result<()> {
        self.primary.iter().try_for_each(|gateway| gateway.host.vanish())
    }

    pub(super) fn give_primary_back(&self) -> Result<()> {
        self.primary.iter().try_for_each(|gateway| gateway.host.reappear())
    }

    /// Half of the vantage points: two of these three, control being the fourth.
    pub(super) fn cut_half(&self) -> Result<()> {
        self.half().try_for_each(|(vantage, gateway)| vantage.cut(gateway))
    }

    pub(super) fn heal_half(&self) -> Result<()> {
        self.half().try_for_each(|(vantage, gateway)| vantage.heal(gateway))
    }

    fn half(&self) -> impl Iterator<Item = (&Host, &Host)> {
        let gateways = || self.primary.iter().map(|gateway| &gateway.host);
        self.vantages
            .iter()
            .take(2)
            .flat_map(move |vantage| gateways().map(move |it| (vantage, it)))
    }

    /// What `thermocline gateway-sets` says.
    pub(super) fn sets(&self) -> Result<Value> {
        self.admin(&["gateway-sets", "--json"])
    }

    pub(super) fn admin(&self, args: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.thermocline(args)?)?)
    }

    fn thermocline(&self, args: &[&str]) -> Result<String> {
        let mut command = self.core.command(thermocline_binary());
        command.args(args).arg("--config").arg(self.dir.join("control.toml"));
        output(&mut command)
    }

    /// Connections of clients to the standby gateways.
    pub(super) fn clients_of_standby(&self) -> Result<usize> {
        let connections = |gateway: &Gateway| {
            let mut command = gateway.host.command("ss");
            let client = self.clients.address.to_string();
            command.args(["-Htn", "state", "established", "sport", "=", ":9092", "dst", &client]);
            Ok(output(&mut command)?.lines().count())
        };
        self.standby.iter().map(connections).sum()
    }

    /// Producers with nothing set but where to begin: the name, or a gateway of each set; and one whose JVM
    /// is told to remember addresses for as long as DNS allows.
    pub(super) fn beats(&self) -> Result<Vec<Beat>> {
        let of = |gateways: &[Gateway]| format!("{}:{OWN_PORT}", gateways[0].host.address);
        let both = format!("{},{}", of(&self.primary), of(&self.standby));
        let programs = [
            ("java", Client::Java.command()?, "beat", BOOTSTRAP),
            ("librdkafka", python("beat.py", &[])?, "run", BOOTSTRAP),
            ("java-short-cache", Client::Java.command()?, "beat", BOOTSTRAP),
            ("java-of-both-sets", Client::Java.command()?, "beat", both.as_str()),
            ("librdkafka-of-both-sets", python("beat.py", &[])?, "run", both.as_str()),
        ];
        let beat = |(name, program, verb, bootstrap): (&'static str, Command, &str, &str)| {
            let log = self.dir.join(format!("{name}.acks"));
            let mut command = self.clients.run(&program);
            command.args([verb, bootstrap, name]).arg(&log);
            if name == "java-short-cache" {
                let ttl = format!("-Dsun.net.inetaddr.ttl={}", TTL.as_secs());
                command.env("JAVA_TOOL_OPTIONS", ttl);
            }
            Ok(Beat { name, process: Process::spawn(name, command, &self.dir)?, log })
        };
        programs.into_iter().map(beat).collect()
    }

    /// Reads everything back: what was acknowledged and is not there, and what is there twice.
    pub(super) fn verify(&self, beat: &Beat) -> Result<Value> {
        let program = python("beat.py", &[])?;
        let mut command = self.clients.run(&program);
        command.args(["check", BOOTSTRAP, beat.name]).arg(&beat.log);
        Ok(serde_json::from_str(&output(&mut command)?)?)
    }
}

fn start(dir: &Path, gateways: &mut [Gateway]) -> Result<()> {
    for gateway in gateways {
        let mut command = gateway.host.command(thermocline_binary());
        command.arg("gateway").arg("--config").arg(dir.join(format!("{}.toml", gateway.name)));
        gateway.process = Some(Process::spawn(&gateway.name, command, dir)?);
    }
    Ok(())
}

fn role(dir: &Path, host: &Host, subcommand: &str, name: &str, text: &str) -> Result<Process> {
    let config = dir.join(format!("{name}.toml"));
    fs::write(&config, text)?;
    let mut command = host.command(thermocline_binary());
    command.arg(subcommand).arg("--config").arg(config);
    Process::spawn(name, command, dir)
}

fn etcd(dir: &Path, host: &Host) -> Result<Process> {
    let (client, peer) = (format!("http://{}:2379", host.address), "http://127.0.0.1:2380");
    let mut command = host.command("etcd");
    command
        .args(["--name", "drill", "--log-level", "info", "--data-dir"])
        .arg(dir.join("etcd"))
        .args([
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
        ])
        .args([format!("--listen-peer-urls={peer}"), format!("--initial-cluster=drill={peer}")])
        .arg(format!("--initial-advertise-peer-urls={peer}"));
    let mut process = Process::spawn("etcd", command, dir)?;
    process.wait_for_text("ready to serve client requests")?;
    Ok(process)
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
