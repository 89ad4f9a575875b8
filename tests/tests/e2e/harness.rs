//! The harness itself: asked to end, it leaves no process behind.

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use thermocline_tests::process::Process;
use thermocline_tests::wait::eventually;

/// The command lines of processes that know this folder: every server's names its configuration.
fn processes_of(dir: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc reads").filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(dir).then_some(line)
    });
    processes.collect()
}

#[test]
fn a_harness_that_is_asked_to_end_takes_its_cluster_with_it() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let text = dir.path().to_str().expect("UTF-8");
    let mut command = Command::new(env!("CARGO_BIN_EXE_thermocline-chaos"));
    // Its own folder, with those of all servers, is made below this one.
    command.env("TMPDIR", dir.path());
    let logs = tempfile::tempdir().expect("temporary folder");
    let mut chaos = Process::spawn("chaos", command, logs.path()).expect("chaos starts");
    eventually("a node runs", || {
        processes_of(text).iter().any(|line| line.contains("storage-node"))
    });
    chaos.signal(Signal::TERM).expect("it is there");
    let status = chaos.wait_exit().expect("it ends");
    assert_eq!(status.code(), Some(128 + 15));
    eventually("all are gone", || processes_of(text).is_empty());
}
