//! `thermocline dev`, the single node with embedded defaults, as a user starts it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::Result;

use crate::process::{Process, free_address, metric};
use crate::thermocline_binary;

/// A running `thermocline dev`.
#[derive(Debug)]
pub struct Dev {
    /// The process, to kill or pause.
    pub process: Process,
    /// The Kafka address.
    pub kafka: SocketAddr,
    /// The admin HTTP address.
    pub http: SocketAddr,
    dir: PathBuf,
    args: Vec<String>,
}

impl Dev {
    /// Starts a node with its data in `dir/data` and waits for its `ready` line.
    pub fn start(dir: &Path, args: &[&str]) -> Result<Self> {
        let (kafka, http) = (free_address()?, free_address()?);
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let process = spawn(dir, kafka, http, &args)?;
        Ok(Self { process, kafka, http, dir: dir.to_owned(), args })
    }

    /// Where clients bootstrap.
    pub fn bootstrap(&self) -> String {
        self.kafka.to_string()
    }

    /// Ends the node without warning and starts it again on the same data and ports.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.process.kill();
        self.start_again()
    }

    /// SIGTERM, clean exit, start again on the same data and ports.
    pub fn stop_and_restart(&mut self) -> Result<ExitStatus> {
        let status = self.process.terminate()?;
        self.start_again()?;
        Ok(status)
    }

    /// A metric's sum over the series that contain `label`.
    pub fn metric(&self, name: &str, label: &str) -> Result<f64> {
        metric(self.http, name, label)
    }

    fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.dir, self.kafka, self.http, &self.args)?;
        Ok(())
    }
}

fn spawn(dir: &Path, kafka: SocketAddr, http: SocketAddr, args: &[String]) -> Result<Process> {
    let log = dir.join("dev.log");
    let _old = std::fs::remove_file(log);
    let mut command = Command::new(thermocline_binary());
    command
        .arg("dev")
        .arg("--data-dir")
        .arg(dir.join("data"))
        .args(["--kafka", &kafka.to_string(), "--http", &http.to_string()])
        .args(args);
    let mut process = Process::spawn("dev", command, dir)?;
    process.wait_for_line("ready")?;
    Ok(process)
}
