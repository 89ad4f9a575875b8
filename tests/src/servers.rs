//! The real parts Thermocline leans on: etcd (Debian's 3.4, or 3.5 from PyPI) and SeaweedFS.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{Process, free_address, free_port};
use crate::root;

mod etcd;

pub use etcd::{Etcd, EtcdVersion};

/// A SeaweedFS server with its S3 gateway and one bucket.
#[derive(Debug)]
pub struct S3 {
    /// The process, to kill or pause.
    pub process: Process,
    /// Where S3 clients connect.
    pub endpoint: SocketAddr,
}

/// The only credentials the test S3 server knows.
pub const ACCESS_KEY: &str = "test-access";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "test-secret";
/// The bucket that exists.
pub const BUCKET: &str = "thermocline";

impl S3 {
    /// Starts SeaweedFS with its data below `dir`, creates the bucket, waits until it serves.
    pub fn start(dir: &Path) -> Result<Self> {
        let data = dir.join("seaweed");
        fs::create_dir_all(&data)?;
        let config = dir.join("s3.json");
        fs::write(&config, identities())?;
        let endpoint = free_address()?;
        let mut command = Command::new(installed("weed")?);
        command
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
            .arg(format!("-dir={}", data.display()))
            .arg(format!("-s3.port={}", endpoint.port()))
            .arg(format!("-s3.config={}", config.display()))
            .args(["-s3.port.lance=0", "-s3.port.iceberg=0"])
            // Volumes are made as they are needed. What is deleted is swept every half minute, or a
            // long run under load would fill the disk with it.
            .args(["-volume.max=200", "-master.volumeSizeLimitMB=256"])
            .args(["-master.vacuumIntervalSeconds=30", "-master.garbageThreshold=0.2"]);
        for port in ["master.port", "volume.port", "filer.port"] {
            command.arg(format!("-{port}={}", free_port()?));
        }
        for port in ["master.port.grpc", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc"] {
            command.arg(format!("-{port}={}", free_port()?));
        }
        let mut process = Process::spawn("seaweed", command, dir)?;
        process.wait_for_port(endpoint)?;
        let server = Self { process, endpoint };
        server.create_bucket()?;
        Ok(server)
    }

    /// The `[store]` table of role configurations.
    pub fn config_section(&self) -> String {
        Self::config_section_at(self.endpoint)
    }

    /// The same for a bucket that is reached at another address.
    pub fn config_section_at(endpoint: SocketAddr) -> String {
        format!(
            "[store]\nurl = \"s3://{BUCKET}/test\"\nendpoint = \"http://{endpoint}\"\n\
             access_key_id = \"{ACCESS_KEY}\"\nsecret_access_key = \"{SECRET_KEY}\"\nregion = \"us-east-1\"\n"
        )
    }

    /// Creates the bucket with moto's boto3, which the test environment has anyway.
    fn create_bucket(&self) -> Result<()> {
        let script = format!(
            "import boto3, time\n\
             s3 = boto3.client('s3', endpoint_url='http://{}', aws_access_key_id='{ACCESS_KEY}', \
             aws_secret_access_key='{SECRET_KEY}', region_name='us-east-1')\n\
             for attempt in range(100):\n\
             \x20   try:\n\
             \x20       s3.create_bucket(Bucket='{BUCKET}'); s3.put_object(Bucket='{BUCKET}', Key='probe', Body=b'x'); break\n\
             \x20   except Exception as error:\n\
             \x20       if attempt == 99: raise\n\
             \x20       time.sleep(0.2)\n",
            self.endpoint
        );
        let output = Command::new(installed("python")?).args(["-c", &script]).output()?;
        if !output.status.success() {
            bail!("cannot create the bucket: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

fn identities() -> String {
    serde_json::json!({"identities": [{
        "name": "test",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]})
    .to_string()
}

/// A program of the Python environment that `tests/scripts/setup clients` installs.
pub fn installed(program: &str) -> Result<PathBuf> {
    let path = root().join(".tools/venv/bin").join(program);
    if !path.exists() {
        bail!("{} is missing; run `tests/scripts/setup build clients`", path.display());
    }
    Ok(path)
}
