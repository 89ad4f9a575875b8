//! A bank: money moves between accounts in transactions while nodes are killed and partitions move, and
//! at read_committed it is always the same sum (T3, T4, T5).

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::books::check;
use super::settled::settle;
use super::{Options, Report, weather};
use crate::clients::{Client, python};
use crate::cluster::Cluster;
use crate::process::Process;

const TOPIC: &str = "accounts";
const PARTITIONS: u32 = 6;
const TELLERS: &str = "4";
const PROGRAM: &str = "bank.py";
/// For the last transfers and the last audit, or for reading everything again.
const FINISH: Duration = Duration::from_secs(600);
/// As in the program.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(dir: &Path, options: &Options) -> Result<Report> {
    let mut cluster = Cluster::start(dir, &options.spec())?;
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS)?;
    let partitions = PARTITIONS.to_string();
    let history = dir.join("bank.history");
    let log = history.display().to_string();
    let command = python(PROGRAM, &["run", &bootstrap, TOPIC, &partitions, TELLERS, &log])?;
    let mut bank = Process::spawn("bank", command, dir)?;
    let done = weather(&mut cluster, options, || {
        anyhow::ensure!(!bank.has_ended(), "the bank is closed:\n{}", bank.log());
        Ok(())
    })?;
    bank.finish(FINISH)?;

    let again = dir.join("audit.history");
    let log = again.display().to_string();
    let command = python(PROGRAM, &["audit", &bootstrap, TOPIC, &partitions, &log])?;
    let mut audit = Process::spawn("audit", command, dir)?;
    let status = audit.wait_exit_within(FINISH)?;
    anyhow::ensure!(status.success(), "the last audit: {}", audit.log());
    let books = check(&fs::read_to_string(&history)?, &fs::read_to_string(&again)?)?;
    let (open, took) = settle(&bootstrap, TOPIC, &[], TRANSACTION_TIMEOUT)?;
    let mut wrong = books.wrong();
    wrong.extend(open.iter().map(|open| format!("hangs: {open}")));
    wrong.extend(cluster.scrub_findings()?);
    if books.committed == 0 || books.aborted == 0 {
        wrong.push("too little happened".to_owned());
    }
    let json = json!({
        "committed": books.committed,
        "aborted": books.aborted,
        "unknown": books.unknown,
        "audits": books.audits,
        "hanging": open.len(),
        "settled_seconds": took.as_secs_f64(),
    });
    Ok(Report::new(options, done, json, wrong))
}
