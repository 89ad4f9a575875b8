//! What must be nowhere, and all the places where it is looked for (R66).
//!
//! Logs at trace level, objects, write-ahead logs and etcd's own files; metrics; command lines and
//! environments of processes while they run; and what a process that crashes leaves behind.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::credential::{ScramCredential, ScramMechanism};
use process::Drain;
use protocol::ids::TenantId;
use regex::bytes::Regex;
use rustix::process::{Resource, getrlimit, setrlimit};
use thermocline_tests::cluster::Cluster;
use thermocline_tests::process::http_get;
use thermocline_tests::wait::eventually;

use super::{ALICE, BOB, WRONG};

/// By name, and the bytes to look for.
pub(super) struct Secrets {
    all: Vec<(String, Vec<u8>)>,
    any: Regex,
}

// === impl Secrets ===

impl Secrets {
    /// Passwords, tokens, the private keys among the files of `outside`, and what the metadata store
    /// has.
    pub(super) fn of(cluster: &Cluster, tokens: &[String], outside: &Path) -> Self {
        let mut all: Vec<(String, Vec<u8>)> = Vec::new();
        for password in [ALICE, BOB, WRONG] {
            all.push((password.to_owned(), password.as_bytes().to_vec()));
            add_spellings(&mut all, password, password.as_bytes());
        }
        for token in tokens {
            let (_, signature) = token.rsplit_once('.').expect("a signature");
            all.push(("a token".to_owned(), signature.as_bytes().to_vec()));
        }
        add_private_keys(&mut all, outside);
        add_stored(&mut all, cluster);
        let escaped = all.iter().map(|(_, secret)| {
            secret.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()
        });
        let any = format!("(?-u){}", escaped.collect::<Vec<_>>().join("|"));
        Self { any: Regex::new(&any).expect("a pattern"), all }
    }

    fn are_not_in(&self, place: &str, bytes: &[u8]) {
        if let Some(found) = self.any.find(bytes) {
            let secret = self.all.iter().find(|(_, secret)| secret == found.as_bytes());
            panic!("{} is in {place}", secret.map_or("?", |(name, _)| name));
        }
    }

    /// Looks at what running processes show: metrics, command lines, environments.
    pub(super) fn are_not_told_by(&self, cluster: &Cluster) {
        let Cluster { control, nodes, gateways, .. } = cluster;
        for role in std::iter::once(control).chain(nodes).chain(gateways) {
            let metrics = http_get(role.http(), "/metrics").expect("metrics");
            assert!(metrics.contains("# TYPE"), "{metrics}");
            self.are_not_in("metrics", metrics.as_bytes());
            self.are_not_shown_by(role.process().expect("it runs").id());
        }
    }

    fn are_not_shown_by(&self, pid: u32) {
        let cmdline = fs::read(format!("/proc/{pid}/cmdline")).expect("a command line");
        assert!(cmdline.starts_with(b"/"), "of a process that runs");
        self.are_not_in("a command line", &cmdline);
        // A process that is not to be dumped shows it to root alone.
        if let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) {
            self.are_not_in("an environment", &environ);
        }
    }

    /// Looks at a command while it has its password, from a pipe, before it has all of it.
    pub(super) fn are_not_given_to(&self, command: &mut Command) {
        let piped = command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut running = piped.spawn().expect("the command starts");
        let mut stdin = running.stdin.take().expect("a pipe");
        stdin.write_all(ALICE.as_bytes()).expect("it reads");
        let named = format!("/proc/{}/cmdline", running.id());
        eventually("the command runs", || {
            fs::read(&named).is_ok_and(|line| line.windows(4).any(|word| word == b"dave"))
        });
        self.are_not_shown_by(running.id());
        drop(stdin);
        let output = running.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.are_not_in("a command's output", &[output.stdout, output.stderr].concat());
    }

    /// Looks into every file: logs at trace level, objects, write-ahead logs, etcd's own.
    pub(super) fn are_in_no_file_of(&self, dir: &Path) {
        let mut folders = vec![dir.to_owned()];
        let mut logs = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                logs += usize::from(path.extension().is_some_and(|extension| extension == "log"));
                let bytes = fs::read(&path).expect("a file");
                self.are_not_in(&path.display().to_string(), &bytes);
            }
        }
        assert!(logs >= 3, "of control, node and gateway");
    }
}

/// Keys of certificates: as the files have them, and as a program that read them would write them.
fn add_private_keys(all: &mut Vec<(String, Vec<u8>)>, outside: &Path) {
    let before = all.len();
    for entry in fs::read_dir(outside).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let key = text.split("-----BEGIN PRIVATE KEY-----").nth(1);
        let Some(key) = key.and_then(|rest| rest.split("-----").next()) else { continue };
        let base64: String = key.split_whitespace().collect();
        let der = STANDARD.decode(&base64).expect("base64");
        // What stands before is the same in every key of this kind; then comes the private number.
        let (begin, private) = (8 * base64.len() / 24, &der[der.len() / 3..der.len() / 3 + 16]);
        let name = format!("the key of {}", path.display());
        all.push((name.clone(), base64.as_bytes()[begin..begin + 20].to_vec()));
        all.push((name.clone(), private.to_vec()));
        add_spellings(all, &name, private);
    }
    assert!(all.len() > before, "there are certificates");
}

/// Out of the metadata store: keys of Alice's password, and the cluster's own. The store has the bytes
/// themselves; nobody else may have them in any spelling.
fn add_stored(all: &mut Vec<(String, Vec<u8>)>, cluster: &Cluster) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = metadata::open(&cluster.etcd.url()).await.expect("etcd");
        let view = metadata::ClusterView::start(store, &Drain::new()).await.expect("its view");
        let record = view.cluster().expect("it was founded");
        add_spellings(all, "the cluster's secret", &record.secret);
        let settings = view.settings(TenantId::DEFAULT, SettingKind::Credential);
        for mechanism in ScramMechanism::ALL {
            let value = settings.entries.get(&mechanism.setting("alice")).expect("alice's");
            let credential = ScramCredential::decode(value).expect("a credential");
            let ScramCredential { salt, iterations, stored_key, server_key, .. } = &credential;
            let salted = mechanism.salted_password(ALICE.as_bytes(), salt, *iterations);
            all.push((format!("salted password of {}", mechanism.name()), salted.to_vec()));
            add_spellings(all, "salted password", &salted);
            add_spellings(all, "stored key", stored_key);
            add_spellings(all, "server key", server_key);
        }
    });
}

/// As `Debug` prints bytes, in base64 and in hexadecimal.
fn add_spellings(all: &mut Vec<(String, Vec<u8>)>, name: &str, bytes: &[u8]) {
    let decimal = format!("{:?}", &bytes[..8]);
    let decimal = decimal.trim_matches(['[', ']']).as_bytes().to_vec();
    let hexadecimal = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    all.push((format!("{name} in decimal"), decimal));
    all.push((format!("{name} in base64"), STANDARD.encode(bytes).into_bytes()));
    all.push((format!("{name} in hexadecimal"), hexadecimal.into_bytes()));
}

/// From here on a process that crashes is dumped, unless it keeps that from happening.
pub(super) fn let_cores_be_dumped() {
    let mut limit = getrlimit(Resource::Core);
    limit.current = limit.maximum;
    setrlimit(Resource::Core, limit).expect("up to the hard limit one may");
    let dir = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("sh");
    let crash = shell.args(["-c", "kill -ABRT $$"]).current_dir(dir.path());
    if !crash.status().expect("a shell").core_dumped() {
        eprintln!("this machine dumps no cores, so that roles leave none proves nothing");
    }
}

/// A process that was let crash has left its memory nowhere.
pub(super) fn is_not_dumped(status: ExitStatus) {
    assert_eq!(status.signal(), Some(6), "it crashed: {status}");
    assert!(!status.core_dumped(), "its memory is in a file: {status}");
}
