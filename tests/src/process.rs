//! One child process: its log file, its death, and waiting for it to be ready.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::groups;

/// How long a server may take to come up on a busy two-core machine.
const READY_SECONDS: u64 = 60;
const POLL: Duration = Duration::from_millis(20);

/// A child process that is killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with standard output and error in `dir/name.log` (appended).
    pub fn spawn(name: &str, mut command: Command, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = groups::spawn(&mut command)
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL and reaps.
    pub fn kill(&mut self) {
        groups::end(self.child.id());
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }

    /// Sends a signal, for example `Signal::STOP` and `Signal::CONT` to pause.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("a pid")?, signal)?)
    }

    /// SIGTERM, then waits for the exit.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_exit()
    }

    /// SIGTERM, then waits for a successful exit for as long as that may take.
    pub fn finish(&mut self, most: Duration) -> Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.wait_exit_within(most)?;
        anyhow::ensure!(
            status.success(),
            "{} ended with {status}; log:\n{}",
            self.name,
            self.tail()
        );
        Ok(())
    }

    /// Waits for the process to end by itself.
    pub fn wait_exit(&mut self) -> Result<ExitStatus> {
        self.wait_exit_within(Duration::from_secs(READY_SECONDS))
    }

    /// The same, for processes with more to do.
    pub fn wait_exit_within(&mut self, most: Duration) -> Result<ExitStatus> {
        for _ in 0..most.as_millis().div_ceil(POLL.as_millis()) {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            sleep(POLL);
        }
        bail!("{} did not exit; log:\n{}", self.name, self.tail())
    }

    /// Whether the process has ended; reaps it then.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.try_wait(), Ok(Some(_)))
    }

    /// Waits until something accepts connections at `address`, while the process lives.
    pub fn wait_for_port(&mut self, address: SocketAddr) -> Result<()> {
        self.wait_until(&format!("port {address}"), |_| TcpStream::connect(address).is_ok())
    }

    /// Waits until `/readyz` at `http` answers 200.
    pub fn wait_for_ready(&mut self, http: SocketAddr) -> Result<()> {
        self.wait_until("readiness", |_| http_get(http, "/readyz").is_ok())
    }

    /// Waits until a line of the log starts with `text`.
    pub fn wait_for_line(&mut self, text: &str) -> Result<()> {
        self.wait_until(text, |log| log.lines().any(|line| line.starts_with(text)))
    }

    /// Waits until the log has `text` anywhere.
    pub fn wait_for_text(&mut self, text: &str) -> Result<()> {
        self.wait_until(text, |log| log.contains(text))
    }

    /// Everything the process printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, if it has; nothing that it started outlives it.
    fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            groups::end(self.child.id());
        }
        Ok(status)
    }

    /// Waits until something holds, given the log, while the process lives.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        mut reached: impl FnMut(&str) -> bool,
    ) -> Result<()> {
        for _ in 0..READY_SECONDS * 50 {
            if reached(&self.log()) {
                return Ok(());
            }
            if let Some(status) = self.try_wait()? {
                bail!("{} ended with {status} before {what}; log:\n{}", self.name, self.tail());
            }
            sleep(POLL);
        }
        bail!("{} never reached {what}; log:\n{}", self.name, self.tail())
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.name, self.tail());
        }
    }
}

/// A loopback port nobody listens on right now, and that no outgoing connection is given.
///
/// A port of the kernel's ephemeral range may become some client's source port between this call and
/// the server's bind, so ports are taken below that range (it starts at 32768), each once per process.
pub fn free_port() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let step =
            NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(97));
        let port = FIRST + u16::try_from(step % COUNT)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port in {FIRST}..32000")
}

/// `127.0.0.1` with a free port.
pub fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from(([127, 0, 0, 1], free_port()?)))
}

/// A plain HTTP/1.1 GET; the body as text.
pub fn http_get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("GET {path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// The sum of a metric over its labels, from a Prometheus endpoint; 0 when it was never recorded.
pub fn metric(address: SocketAddr, name: &str, label: &str) -> Result<f64> {
    let text = http_get(address, "/metrics")?;
    Ok(text
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(label))
        .filter(|line| line[name.len()..].starts_with(['{', ' ']))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum())
}
