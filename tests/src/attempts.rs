//! Attempts of real clients to be served: with what each comes, and what it is told.
//!
//! A client is one program and takes all its attempts at once, for starting it is what costs. They are
//! in a file, one a line, fields joined by tabs; secrets are on no command line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::clients::{Client, go_available, python};

/// A client that attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Apache Kafka's own.
    Java,
    /// librdkafka, by confluent-kafka.
    Librdkafka,
    /// aiokafka.
    Aiokafka,
    /// franz-go.
    Franz,
}

/// With what a client comes.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    /// What the attempt is called; no other may be called so.
    pub name: String,
    /// Where it goes.
    pub bootstrap: String,
    /// Kafka's `security.protocol`.
    pub protocol: &'static str,
    /// The one version of TLS that it speaks.
    pub tls: &'static str,
    /// Whether all it has for TLS 1.2 is a cipher without forward secrecy.
    pub weak: bool,
    /// Whose certificates it believes.
    pub ca: Option<PathBuf>,
    /// Its own, with the key.
    pub identity: Option<PathBuf>,
    /// How it says who it is: mechanism, user, and password or token.
    pub sasl: Option<(&'static str, String, String)>,
    /// What it writes to and reads from.
    pub topic: &'static str,
}

impl Who {
    /// All that can be tried on this machine.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Java, Self::Librdkafka, Self::Aiokafka];
        if go_available() {
            all.push(Self::Franz);
        }
        all
    }

    /// What becomes of `attempts`, by their names: a word of `tests/clients/python/secured.py`.
    /// `dir` is for their secrets.
    pub fn attempt(self, attempts: &[Attempt], dir: &Path) -> Result<BTreeMap<String, String>> {
        // librdkafka's version of TLS is the process's.
        let versions: Vec<&str> = match self {
            Self::Librdkafka => vec!["1.1", "1.2", "1.3"],
            _ => vec![""],
        };
        let mut outcomes = BTreeMap::new();
        for version in versions {
            let of_version = attempts.iter().filter(|it| version.is_empty() || it.tls == version);
            let lines: String = of_version.map(Attempt::line).collect();
            if lines.is_empty() {
                continue;
            }
            let file = dir.join(format!("attempts-{self:?}-{version}"));
            fs::write(&file, lines)?;
            let output = self.command(&file)?.output()?;
            let error = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(output.status.success(), "{self:?}: {error}");
            for line in String::from_utf8(output.stdout)?.lines() {
                let (name, outcome) = line.split_once('\t').with_context(|| line.to_owned())?;
                outcomes.insert(name.to_owned(), outcome.to_owned());
            }
        }
        Ok(outcomes)
    }

    fn command(self, file: &Path) -> Result<Command> {
        let path = file.to_string_lossy();
        let (client, how) = match self {
            Self::Java => (Client::Java, "attempts"),
            Self::Franz => (Client::Go, "attempts"),
            Self::Librdkafka => return python("secured.py", &["librdkafka", &path]),
            Self::Aiokafka => return python("secured.py", &["aiokafka", &path]),
        };
        let mut command = client.command()?;
        command.args([how, &path]);
        Ok(command)
    }
}

impl Attempt {
    /// As clients read it.
    pub fn line(&self) -> String {
        let Self { name, bootstrap, protocol, tls, topic, .. } = self;
        let mut line = format!(
            "name={name}\tbootstrap={bootstrap}\tprotocol={protocol}\ttls={tls}\ttopic={topic}"
        );
        let mut field = |name: &str, value: &str| {
            write!(line, "\t{name}={value}").expect("memory takes text");
        };
        if self.weak {
            field("weak", "yes");
        }
        if let Some(ca) = &self.ca {
            field("ca", &ca.to_string_lossy());
        }
        if let Some(identity) = &self.identity {
            field("identity", &identity.to_string_lossy());
        }
        if let Some((mechanism, user, secret)) = &self.sasl {
            field("mechanism", mechanism);
            field("user", user);
            field("secret", secret);
        }
        line.push('\n');
        line
    }
}
