//! Certificates for the processes of a cluster, made as an operator makes them to try TLS out.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::thermocline_binary;

/// The directory of one issuer.
#[derive(Debug, Clone)]
pub struct Pki {
    dir: PathBuf,
}

impl Pki {
    /// An issuer below `dir`, and certificates for these.
    pub fn new(dir: &Path, members: &[String]) -> Result<Self> {
        let pki = Self { dir: dir.join("pki") };
        pki.issue(members)?;
        Ok(pki)
    }

    /// Makes certificates for `gateway/1`, `etcd` or others, in the place of those that they have.
    pub fn issue(&self, members: &[String]) -> Result<()> {
        let output = Command::new(thermocline_binary())
            .args(["certificates", "--cluster", "e2e", "--host", "127.0.0.1", "--dir"])
            .arg(&self.dir)
            .args(members)
            .output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "certificates: {error}");
        Ok(())
    }

    /// One of the files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The tables of a role's configuration that name its files. The table `[metadata]` comes
    /// before them.
    pub fn tables(&self, role: &str, id: usize) -> String {
        let file = |end| self.file(&format!("{role}-{id}.{end}")).display().to_string();
        let files = format!(
            "ca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            self.file("ca.pem").display(),
            file("pem"),
            file("key")
        );
        format!("[metadata.tls]\n{files}[cluster.tls]\n{files}")
    }
}
