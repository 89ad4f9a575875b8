//! Bad configuration and missing surroundings: one clear line with the key and the fix, exit code
//! not 0.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use thermocline_tests::cluster::Cluster;
use thermocline_tests::process::free_address;
use thermocline_tests::servers::{Etcd, EtcdVersion, S3};
use thermocline_tests::thermocline_binary;

/// Runs a role with a configuration text; its exit code must not be 0. The last error line.
fn refused(role: &str, dir: &Path, config: &str) -> String {
    let file = dir.join(format!("{role}-bad.toml"));
    fs::write(&file, config).expect("config is written");
    let output = Command::new("timeout")
        .arg("90")
        .arg(thermocline_binary())
        .arg(role)
        .arg("--config")
        .arg(&file)
        .output()
        .expect("the binary runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{role} must refuse:\n{config}\n{error}");
    assert_ne!(output.status.code(), Some(124), "{role} hung:\n{error}");
    let lines: Vec<&str> = error.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "exactly one `error:` line:\n{error}");
    lines[0].to_owned()
}

fn assert_names(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "`{word}` is missing in: {error}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_nearest_neighbour() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let error = refused(
        "gateway",
        dir.path(),
        "[metadata]\nurl = 'memory:'\n[gateway]\nbroker_id = 1\nlistners = '127.0.0.1:0'\n",
    );
    assert_names(
        &error,
        &["gateway-bad.toml:5", "unknown key `listners`", "did you mean `listeners`?"],
    );
}

#[test]
fn an_unreachable_etcd_names_its_key() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let nobody = free_address().expect("a free port");
    let config = format!(
        "[metadata]\nurl = 'etcd://{nobody}'\n[http]\nlisten = '127.0.0.1:0'\n[gateway]\nbroker_id = 1\n"
    );
    assert_names(&refused("gateway", dir.path(), &config), &["metadata.url", &nobody.to_string()]);
}

#[test]
fn a_taken_port_names_its_key() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let config = format!(
        "[metadata]\nurl = 'memory:'\n[http]\nlisten = '{address}'\n[gateway]\nbroker_id = 1\n"
    );
    assert_names(
        &refused("gateway", dir.path(), &config),
        &["http.listen", "another process has this port"],
    );
}

#[test]
fn a_store_that_cannot_be_used_names_key_and_fix() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let s3 = S3::start(dir.path()).expect("S3 server starts");
    let etcd = Etcd::start(dir.path(), EtcdVersion::Debian, None).expect("etcd starts");
    let good = s3.config_section();
    let control = |store: &str| {
        let config = Cluster::control_config(&etcd, store).expect("a config");
        refused("control", dir.path(), &config)
    };
    assert_names(
        &control(&good.replace("test-secret", "wrong-secret")),
        &["store.", "secret_access_key"],
    );
    assert_names(
        &control(&good.replace("s3://thermocline/", "s3://no-such-bucket/")),
        &["store.url", "no-such-bucket"],
    );
    let nobody = free_address().expect("a free port");
    let gone = good.replace(&s3.endpoint.to_string(), &nobody.to_string());
    assert_names(&control(&gone), &["store.endpoint", &nobody.to_string()]);
}

#[test]
fn a_data_directory_that_cannot_be_written_names_its_key() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let file = dir.path().join("a-file");
    fs::write(&file, "not a directory").expect("file is written");
    let output = Command::new(thermocline_binary())
        .args(["dev", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data-dir"])
        .arg(&file)
        .output()
        .expect("the binary runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_names(&error, &["error: ", "data-dir", "a-file"]);
}
