//! Hosts with a network of their own: Linux network namespaces on one bridge.
//!
//! Nothing outside sees any of it, and nothing in it reaches outside: a name server may have port 53,
//! every host the same ports, and a host can be cut off from another in one direction. It takes what a
//! machine may refuse, root and `ip`; then this says so and fails, for a drill that was skipped
//! looks like one that went well.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A network; its hosts are gone when it is dropped.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    name_server: Ipv4Addr,
    namespaces: Vec<String>,
    hosts: Vec<Host>,
}

/// A host of it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host {
    namespace: String,
    hub: String,
    port: String,
    /// Its only address, besides loopback.
    pub address: Ipv4Addr,
}

impl Network {
    /// An empty network whose hosts ask this name server.
    pub fn new(name_server: Ipv4Addr) -> Result<Self> {
        let prefix = format!("tc{}", std::process::id());
        let mut network = Self { prefix, name_server, namespaces: Vec::new(), hosts: Vec::new() };
        let hub = network.namespace("hub").context(
            "this drill makes network namespaces: it needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN) and \
             Debian's `iproute2`. On a machine that has neither, it cannot be run",
        )?;
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "bridge", "up"])?;
        Ok(network)
    }

    /// One more host.
    pub fn host(&mut self, name: &str, address: Ipv4Addr) -> Result<Host> {
        let namespace = self.namespace(name)?;
        let hub = format!("{}-hub", self.prefix);
        let port = format!("port{}", address.octets()[3]);
        let pair = ["link", "add", &port, "netns", &hub, "type", "veth"];
        let link = link_of(address);
        let peer = ["peer", "name", "eth0", "address", &link, "netns", &namespace];
        ip(&[&pair[..], &peer].concat())?;
        ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
        ip(&["-n", &namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        let resolver = files_of(&namespace);
        fs::create_dir_all(&resolver)?;
        let text = format!("nameserver {}\noptions timeout:1 attempts:2\n", self.name_server);
        fs::write(resolver.join("resolv.conf"), text)?;
        let host = Host { namespace, hub, port, address };
        for other in &self.hosts {
            host.knows(other)?;
            other.knows(&host)?;
        }
        self.hosts.push(host.clone());
        Ok(host)
    }

    fn namespace(&mut self, name: &str) -> Result<String> {
        let namespace = format!("{}-{name}", self.prefix);
        ip(&["netns", "add", &namespace])?;
        self.namespaces.push(namespace.clone());
        Ok(namespace)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            // What is left behind is in nobody's way.
            drop(ip(&["netns", "delete", namespace]));
            drop(fs::remove_dir_all(files_of(namespace)));
        }
    }
}

impl Host {
    /// A program on this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// The same command line on this host.
    pub fn run(&self, command: &Command) -> Command {
        let mut here = self.command(command.get_program());
        here.args(command.get_args());
        here
    }

    /// From now on nothing leaves for the other host.
    pub fn cut(&self, from: &Host) -> Result<()> {
        self.route("add", from)
    }

    /// Undoes it.
    pub fn heal(&self, from: &Host) -> Result<()> {
        self.route("delete", from)
    }

    /// From now on nothing reaches the host and nothing leaves it, and nobody is told: packets go
    /// where nobody is, as behind a link of a provider's that is gone. Everything on it runs on.
    pub fn vanish(&self) -> Result<()> {
        ip(&["-n", &self.hub, "link", "set", &self.port, "nomaster"])
    }

    /// Undoes it.
    pub fn reappear(&self) -> Result<()> {
        ip(&["-n", &self.hub, "link", "set", &self.port, "master", "bridge"])
    }

    /// Has the other's link address for good: who would ask for it again would find out that nobody
    /// answers, as nobody does who is some networks away.
    fn knows(&self, other: &Host) -> Result<()> {
        let (address, link) = (other.address.to_string(), link_of(other.address));
        let entry = ["lladdr", &link, "dev", "eth0", "nud", "permanent"];
        let replace = ["-n", &self.namespace, "neighbour", "replace", &address];
        ip(&[&replace[..], &entry].concat())
    }

    fn route(&self, verb: &str, other: &Host) -> Result<()> {
        let to = format!("{}/32", other.address);
        ip(&["-n", &self.namespace, "route", verb, "blackhole", &to])
    }
}

/// A link address that goes without asking.
fn link_of(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

fn files_of(namespace: &str) -> PathBuf {
    PathBuf::from("/etc/netns").join(namespace)
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("`ip` cannot be run")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", args.join(" "), error.trim());
    Ok(())
}
