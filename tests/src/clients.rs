//! Real Kafka clients as commands: kcat (librdkafka 2.0), confluent-kafka (librdkafka 2.16), the Java
//! client 4.x and franz-go. All understand the same small vocabulary, see `tests/clients`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::root;
use crate::servers::installed;

/// A client program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Debian's kcat.
    Kcat,
    /// confluent-kafka for Python.
    Python,
    /// The Apache Kafka Java client.
    Java,
    /// franz-go.
    Go,
}

/// Count and SHA-256 of all payload lines of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Records read.
    pub count: u64,
    /// Hexadecimal SHA-256 over `payload + "\n"` in offset order.
    pub sha256: String,
}

impl Client {
    /// Creates a topic through the client's own admin API.
    pub fn create_topic(self, bootstrap: &str, topic: &str, partitions: u32) -> Result<()> {
        self.run(&["create", bootstrap, topic, &partitions.to_string()], None).map(drop)
    }

    /// Produces each line of `file` as one record.
    pub fn produce(
        self,
        bootstrap: &str,
        topic: &str,
        partition: u32,
        codec: &str,
        file: &Path,
    ) -> Result<()> {
        let partition = partition.to_string();
        if self == Self::Kcat {
            let path = file.to_string_lossy();
            let args = ["-P", "-b", bootstrap, "-t", topic, "-p", &partition, "-z", codec];
            return self.run(&[args.as_slice(), &["-l", &path]].concat(), None).map(drop);
        }
        let mut args = vec!["produce", bootstrap, topic, &partition];
        if self != Self::Go {
            args.push(codec);
        }
        self.run(&args, Some(file)).map(drop)
    }

    /// Reads a partition from its start to its present end and checks that offsets are dense.
    pub fn digest(self, bootstrap: &str, topic: &str, partition: u32) -> Result<Digest> {
        let answer = self.run(&["digest", bootstrap, topic, &partition.to_string()], None)?;
        let (count, sha256) = answer.split_once(' ').context("COUNT SHA256")?;
        Ok(Digest { count: count.parse()?, sha256: sha256.to_owned() })
    }

    /// Reads `most` records as a member of a group, commits, and returns the client's last line.
    pub fn group(self, bootstrap: &str, topic: &str, group: &str, most: u64) -> Result<String> {
        self.run(&["group", bootstrap, topic, group, &most.to_string()], None)
    }

    /// Runs a command of the vocabulary; the last line of its output.
    pub fn run(self, args: &[&str], input: Option<&Path>) -> Result<String> {
        let mut command = self.command()?;
        command.args(args);
        command.stdin(match input {
            Some(path) => Stdio::from(File::open(path)?),
            None => Stdio::null(),
        });
        let output = command.output().with_context(|| format!("{command:?}"))?;
        let out = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("{self:?} {args:?}: {}\n{out}\n{error}", output.status);
        }
        Ok(out.lines().last().unwrap_or_default().to_owned())
    }

    /// The program with its fixed arguments.
    pub fn command(self) -> Result<Command> {
        let mut command = match self {
            Self::Kcat => Command::new("kcat"),
            Self::Python => Command::new(installed("python")?),
            Self::Java => Command::new("java"),
            Self::Go => Command::new(root().join(".tools/franz")),
        };
        match self {
            Self::Python => command.arg(root().join("tests/clients/python/client.py")),
            Self::Java => command.arg("-Xmx256m").arg("-jar").arg(java_client()),
            Self::Kcat | Self::Go => &mut command,
        };
        Ok(command)
    }
}

/// A program of `tests/clients/python` as a command, for clients that run for long.
pub fn python(program: &str, args: &[&str]) -> Result<Command> {
    let mut command = Command::new(installed("python")?);
    command.arg(root().join("tests/clients/python").join(program)).args(args);
    Ok(command)
}

/// Runs a program of `tests/clients/python` to its end; the last line of its output.
pub fn run_python(program: &str, args: &[&str]) -> Result<String> {
    let output = python(program, args)?.output()?;
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{program} {args:?}: {out}\n{error}");
    Ok(out.lines().last().unwrap_or_default().to_owned())
}

fn java_client() -> PathBuf {
    root().join("tests/clients/java/target/client.jar")
}

/// Whether franz-go was built: Go is not on every machine.
pub fn go_available() -> bool {
    root().join(".tools/franz").exists()
}
