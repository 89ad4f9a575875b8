//! `thermocline doctor` against surroundings that are well, and against one broken thing at a time: it
//! says which, and what to do.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use thermocline_tests::s3_proxy::{Fault, Rule, S3Proxy, Which};
use thermocline_tests::servers::{Etcd, EtcdVersion, S3};
use thermocline_tests::thermocline_binary;

/// What the command found of one thing.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    verdict: String,
    seen: String,
    fix: String,
}

/// A machine with all that control needs, but for what a test breaks.
struct Surroundings {
    dir: tempfile::TempDir,
    etcd: Etcd,
    proxy: S3Proxy,
    _s3: S3,
}

impl Surroundings {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let etcd = Etcd::start(dir.path(), EtcdVersion::Debian, None).expect("etcd starts");
        let s3 = S3::start(dir.path()).expect("the S3 server starts");
        let proxy = S3Proxy::start(s3.endpoint).expect("the proxy starts");
        Self { dir, etcd, proxy, _s3: s3 }
    }

    /// Examines with this role's table.
    fn examine(&self, role: &str) -> Examined {
        let (url, store) = (self.etcd.url(), S3::config_section_at(self.proxy.address()));
        let text = format!("[metadata]\nurl = \"{url}\"\n{store}{role}");
        examine(self.dir.path(), &text)
    }
}

/// The findings and whether any is bad.
struct Examined {
    passed: bool,
    findings: Vec<Value>,
}

impl Examined {
    fn found(&self, what: &str) -> Found {
        let finding = self.findings.iter().find(|it| it["what"] == what);
        let finding = finding.unwrap_or_else(|| panic!("nothing of {what}: {:?}", self.findings));
        let text = |key: &str| finding[key].as_str().expect("text").to_owned();
        Found { verdict: text("verdict"), seen: text("seen"), fix: text("fix") }
    }

    /// That this is not well, and the command says what to do.
    fn assert(&self, what: &str, verdict: &str, word: &str) {
        let found = self.found(what);
        assert_eq!(found.verdict, verdict, "{found:?}");
        assert!(!found.fix.is_empty(), "no fix: {found:?}");
        assert!(format!("{found:?}").contains(word), "`{word}` is missing: {found:?}");
        assert_eq!(self.passed, verdict != "bad", "{:?}", self.findings);
    }
}

fn config(dir: &Path, text: &str) -> PathBuf {
    let file = dir.join("role.toml");
    fs::write(&file, text).expect("written");
    file
}

fn examine(dir: &Path, text: &str) -> Examined {
    let mut command = Command::new(thermocline_binary());
    run(command.args(["doctor", "--json", "--config"]).arg(config(dir, text)))
}

fn run(command: &mut Command) -> Examined {
    let output = command.output().expect("the binary runs");
    let lines = String::from_utf8(output.stdout).expect("text");
    let findings: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!findings.is_empty(), "no findings: {told}");
    Examined { passed: output.status.success(), findings }
}

/// Where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port")
}

const CONTROL: &str = "[control]\ncontrol_id = \"c\"\n";

#[test]
fn every_broken_thing_is_found_with_its_fix() {
    let mut here = Surroundings::new();
    let well = here.examine(CONTROL);
    assert!(well.passed, "{:?}", well.findings);
    for what in ["object store", "clock", "metadata store"] {
        assert_eq!(well.found(what).verdict, "good", "{:?}", well.findings);
    }

    here.proxy.set(vec![Rule::always(Which::Puts, Fault::TwoWinners)]);
    here.examine(CONTROL).assert("object store", "bad", "conditional");
    here.proxy.set(vec![Rule::always(Which::All, Fault::Denied)]);
    here.examine(CONTROL).assert("object store", "bad", "store");
    here.proxy.heal();

    let standby = format!("{CONTROL}[control.standby]\nsite = \"b\"\n");
    here.examine(&standby).assert("standby", "bad", "found the cluster at the other site");
    let key = here.dir.path().join("tsig");
    fs::write(&key, "c2VjcmV0").expect("written");
    let sets = format!(
        "{CONTROL}[control.gateway_sets]\nname = \"localhost.\"\n[control.gateway_sets.rfc2136]\n\
         server = \"{}\"\nzone = \"localhost.\"\nkey_name = \"k.\"\nkey_file = \"{}\"\n\
         [[control.gateway_sets.sets]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\nprobe = [\"{}\"]\n",
        nobody(),
        key.display(),
        nobody()
    );
    let found = here.examine(&sets);
    found.assert("DNS updates", "bad", "cannot be asked");
    found.assert("gateway set name", "bad", "127.0.0.1");
    assert_eq!(found.found("gateway set").verdict, "poor", "{:?}", found.findings);

    here.etcd.kill();
    here.examine(CONTROL).assert("metadata store", "bad", "start etcd");
}

#[test]
fn a_low_limit_of_open_files_is_found() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let text = "[gateway]\nbroker_id = 1\n[[gateway.listeners]]\nbind = \"0.0.0.0:9092\"\n";
    let file = config(dir.path(), text);
    let found = run(Command::new("sh")
        .args(["-c", "ulimit -n 512; exec \"$0\" doctor --json --config \"$1\""])
        .arg(thermocline_binary())
        .arg(file));
    found.assert("advertised host", "bad", "0.0.0.0");
    let files = found.found("open files");
    assert_eq!((&*files.verdict, &*files.seen), ("poor", "at most 512"), "{files:?}");
}
