//! Records and topics that go: by request, by age, by size; and what stays.

use std::path::Path;

use thermocline_tests::clients::Client;
use thermocline_tests::dev::Dev;

/// A file of `count` distinct lines.
fn lines(dir: &Path, count: u64) -> std::path::PathBuf {
    let path = dir.join("lines.txt");
    let text: String = (0..count).map(|n| format!("line {n}\n")).collect();
    std::fs::write(&path, text).expect("lines are written");
    path
}

#[test]
fn records_deleted_by_an_admin_client_are_gone_also_after_a_kill() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut node = Dev::start(dir.path(), &[]).expect("dev starts");
    let bootstrap = node.bootstrap();
    let file = lines(dir.path(), 1_000);
    Client::Python.create_topic(&bootstrap, "deleted", 1).expect("topic is created");
    Client::Python.produce(&bootstrap, "deleted", 0, "none", &file).expect("lines are produced");
    let delete = |client: Client, below: &str| {
        client.run(&["delete_records", &bootstrap, "deleted", "0", below], None)
    };
    let readable = || Client::Java.digest(&bootstrap, "deleted", 0).expect("partition is read");

    assert_eq!(delete(Client::Python, "300").expect("records are deleted"), "300");
    assert_eq!(readable().count, 700);
    node.kill_and_restart().expect("dev starts again after kill -9");
    assert_eq!(readable().count, 700, "a log start does not go back (C10)");
    assert_eq!(delete(Client::Java, "100").expect("nothing to delete"), "300");
    let beyond = delete(Client::Java, "1001").expect_err("beyond the end").to_string();
    assert!(beyond.contains("OffsetOutOfRange"), "{beyond}");
    assert_eq!(delete(Client::Java, "-1").expect("all records are deleted"), "1000");
    assert_eq!(readable().count, 0);
}
