//! A real etcd on loopback, with its data in a temporary directory.

use std::{
    io::ErrorKind,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use etcd_client::{Client, ConnectOptions};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::tls::Pki;

/// Between choosing a port and etcd's binding it, somebody else may take it.
const START_ATTEMPTS: u32 = 5;

pub(super) struct Server {
    child: Child,
    port: u16,
    directory: TempDir,
    /// It takes nobody without a certificate, if there are any.
    pki: Option<Pki>,
}

/// A port that nobody listens on, most likely also in a moment.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts etcd and waits until it answers.
    pub(super) async fn start() -> Self {
        Self::start_over(None).await
    }

    /// The same over TLS, if there are certificates.
    pub(super) async fn start_over(pki: Option<Pki>) -> Self {
        for _ in 0..START_ATTEMPTS {
            let directory = tempfile::tempdir().unwrap();
            let port = free_port();
            let child = spawn(port, directory.path(), pki.as_ref());
            let mut server = Self { child, port, directory, pki: pki.clone() };
            if server.answers().await {
                return server;
            }
        }
        panic!("etcd does not start");
    }

    /// Kills the server as a crash would.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same data and port.
    pub(super) async fn restart(&mut self) {
        self.child = spawn(self.port, self.directory.path(), self.pki.as_ref());
        assert!(self.answers().await, "etcd does not start again");
    }

    /// Freezes the process; its sockets stay open. When this returns no thread of it runs: the signal
    /// stops them one after the other, and on a busy machine one may answer until then.
    pub(super) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        while !self.is_stopped() {
            std::thread::yield_now();
        }
    }

    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid().as_raw_pid())).unwrap();
        threads.map(|thread| thread.unwrap().path().join("stat")).all(|stat| {
            let stat = std::fs::read_to_string(stat).unwrap_or_default();
            // "pid (name) state ...", and a name may hold anything but its end.
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    }

    pub(super) fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self, prefix: &str) -> String {
        format!("etcd://127.0.0.1:{}/{prefix}", self.port)
    }

    /// A client beside the store, for what the store has no verb for.
    pub(super) async fn client(&self) -> Client {
        let mut options = ConnectOptions::new();
        if let Some(pki) = &self.pki {
            options = options.with_tls(pki.of_client().read().await.unwrap().options());
        }
        Client::connect([format!("127.0.0.1:{}", self.port)], Some(options)).await.unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Waits until it answers; false if it ended instead.
    async fn answers(&mut self) -> bool {
        let mut client = self.client().await;
        loop {
            let asked = client.get("ready", None);
            if tokio::time::timeout(Duration::from_secs(1), asked).await.is_ok_and(|r| r.is_ok()) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, directory: &Path, pki: Option<&Pki>) -> Child {
    let scheme = if pki.is_some() { "https" } else { "http" };
    let client = format!("{scheme}://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{}", free_port());
    let spawned = Command::new("etcd")
        .arg("--data-dir")
        .arg(directory)
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}")])
        .args(["--log-level", "error"])
        .args(pki.map(Pki::arguments).unwrap_or_default())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("no `etcd` on the PATH. hint: apt-get install etcd-server")
        }
        Err(error) => panic!("etcd does not start: {error}"),
    }
}
