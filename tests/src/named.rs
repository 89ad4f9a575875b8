//! BIND, with a zone that control may change and nothing else.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::Process;

/// The zone.
pub const ZONE: &str = "drill.test";
/// The name that clients are given, within it.
pub const NAME: &str = "kafka.drill.test";
/// The secret that BIND and control share, in Base64.
const KEY: &str = "c2VjcmV0IG9mIHRoZSBkcmlsbCwgMzIgYnl0ZXMgbG9uZyE=";

/// A name server; it ends when it is dropped.
#[derive(Debug)]
pub struct Named {
    address: SocketAddrV4,
    table: String,
    _process: Process,
}

impl Named {
    /// Starts `named`, as this command begins, on an address of its machine. `ttl` is in seconds.
    pub fn start(dir: &Path, mut named: Command, address: SocketAddrV4, ttl: u64) -> Result<Self> {
        let path = dir.join("named");
        fs::create_dir_all(&path)?;
        let (ip, port) = (address.ip(), address.port());
        let zone = format!(
            "$TTL {ttl}\n@ SOA ns.{ZONE}. root.{ZONE}. 1 60 60 600 {ttl}\n@ NS ns\nns A {ip}\n"
        );
        fs::write(path.join("zone"), zone)?;
        let mut grants = format!("grant \"thermocline.\" name _thermocline.{NAME}. TXT;");
        for name in ["", "b1.", "b2."] {
            write!(grants, " grant \"thermocline.\" name {name}{NAME}. A AAAA;")?;
        }
        let at = path.display();
        let config = format!(
            r#"options {{ directory "{at}"; pid-file "{at}/named.pid"; session-keyfile "{at}/session.key";
              listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }}; recursion no; allow-query {{ any; }};
              dnssec-validation no; managed-keys-directory "{at}"; }};
            controls {{ }};
            key "thermocline." {{ algorithm hmac-sha256; secret "{KEY}"; }};
            zone "{ZONE}" {{ type primary; file "{at}/zone"; update-policy {{ {grants} }}; }};
            "#
        );
        let file = path.join("named.conf");
        fs::write(&file, config)?;
        let secret = dir.join("tsig");
        fs::write(&secret, KEY)?;
        named.arg("-g").arg("-c").arg(&file);
        let mut process = Process::spawn("named", named, dir)
            .context("BIND's named is needed: tests/scripts/setup clients installs it")?;
        // It accepts before it knows its zones; and nobody here reaches a port of another network.
        process.wait_for_text("all zones loaded")?;
        let table = format!(
            "[control.gateway_sets.rfc2136]\nserver = \"{address}\"\nzone = \"{ZONE}.\"\n\
             key_name = \"thermocline.\"\nkey_file = \"{}\"\n",
            secret.display()
        );
        Ok(Self { address, table, _process: process })
    }

    /// One on this machine's loopback.
    pub fn on_loopback(dir: &Path, port: u16, ttl: u64) -> Result<Self> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        Self::start(dir, Command::new("named"), address, ttl)
    }

    /// Control's table about it.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What it answers to a resolver on the same machine, a line for each record.
    pub fn answer(&self, name: &str, kind: &str) -> Result<String> {
        let server = format!("@{}", self.address.ip());
        let port = self.address.port().to_string();
        let output = Command::new("dig")
            .args([&server, "-p", &port, "+short", name, kind])
            .output()
            .context("dig is needed: tests/scripts/setup clients installs it")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
