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
}

/// A host of it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host {
    namespace: String,
    /// Its only address, besides loopback.
    pub address: Ipv4Addr,
}

impl Network {
    /// An empty network whose hosts ask this name server.
    pub fn new(name_server: Ipv4Addr) -> Result<Self> {
        let prefix = format!("tc{}", std::process::id());
        let mut network = Self { prefix, name_server, namespaces: Vec::new() };
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
        ip(&[&pair[..], &["peer", "name", "eth0", "netns", &namespace]].concat())?;
        ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
        ip(&["-n", &namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        let resolver = files_of(&namespace);
        fs::create_dir_all(&resolver)?;
        let text = format!("nameserver {}\noptions timeout:1 attempts:2\n", self.name_server);
        fs::write(resolver.join("resolv.conf"), text)?;
        Ok(Host { namespace, address })
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

    fn route(&self, verb: &str, other: &Host) -> Result<()> {
        let to = format!("{}/32", other.address);
        ip(&["-n", &self.namespace, "route", verb, "blackhole", &to])
    }
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
