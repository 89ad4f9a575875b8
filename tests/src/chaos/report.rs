//! The result as JSON (the contract of DESIGN §10, and a little more) and as an exit code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Options;
use super::checker::Findings;
use super::faults::Done;
use super::history::History;
use super::outage::first_acks;
use crate::times;

/// What librdkafka tells an application when a connection breaks, as they do here all the time. It
/// repairs that by itself; every other error is one that the application would have to handle.
const CONNECTION: &[&str] = &["_TRANSPORT", "_ALL_BROKERS_DOWN", "_TIMED_OUT", "_RESOLVE"];

/// A run and its verdict.
#[derive(Debug)]
pub struct Report {
    /// The result file.
    pub json: Value,
    /// What is wrong, in words; nothing for a good run.
    pub wrong: Vec<String>,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        history: &History,
        findings: Findings,
        done: Done,
        scrub: Vec<String>,
    ) -> Self {
        let (client_errors, broken_connections) = split_errors(history);
        let first_acks = first_acks(&done.outages, &history.acks);
        let times_of = |wanted: &str| {
            let of = first_acks.iter().filter(|(kind, _)| wanted.is_empty() || *kind == wanted);
            times::json(of.map(|(_, time)| *time).collect())
        };
        let mut wrong: Vec<String> = findings
            .counts()
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(class, count)| format!("{count} {class}"))
            .collect();
        wrong.extend(findings.examples.iter().cloned());
        wrong.extend(client_errors.iter().map(|(name, count)| format!("{count} x {name}")));
        wrong.extend(scrub.iter().map(|finding| format!("scrub: {finding}")));
        if history.unanswered > 0 {
            wrong.push(format!("{} records were never answered", history.unanswered));
        }
        if history.acks.is_empty() {
            wrong.push("nothing was acknowledged".to_owned());
        }
        let mut json = json!({
            "seconds": options.seconds,
            "front": options.front.name(),
            "seed": options.seed,
            "kills": done.kills,
            "pauses": done.pauses,
            "moves": done.moves,
            "exits": done.exits,
            "acked": history.acks.len(),
            "acked_without_offset": history.acks.iter().filter(|ack| ack.offset < 0).count(),
            "scrub_findings": scrub.len(),
            "first_ack_ms": times_of(""),
            "first_ack_ms_kill": times_of("kill"),
            "first_ack_ms_pause": times_of("pause"),
            "client_errors": client_errors,
            "broken_connections": broken_connections,
            "wrong": wrong,
        });
        for (class, count) in findings.counts() {
            json[class] = count.into();
        }
        Self { json, wrong }
    }
}

/// Errors the application would have to handle, and those the client repairs by itself.
fn split_errors(history: &History) -> (BTreeMap<String, u64>, u64) {
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    let mut connections = 0;
    for (name, count) in &history.errors {
        if CONNECTION.contains(&name.as_str()) {
            connections += count;
        } else {
            *errors.entry(name.clone()).or_default() += count;
        }
    }
    for (_, name) in &history.failed {
        *errors.entry(name.clone()).or_default() += 1;
    }
    (errors, connections)
}

#[cfg(test)]
mod tests {
    use super::super::checker::check;
    use super::super::history::{Ack, Value as Record};
    use super::*;
    use crate::cluster::FrontKind;

    fn report(history: &History, scrub: &[&str]) -> Report {
        let options =
            Options { front: FrontKind::Disk, seconds: 1, seed: 1, rate: 1, partitions: 1 };
        let scrub = scrub.iter().map(|finding| (*finding).to_owned()).collect();
        Report::new(&options, history, check(history), Done::default(), scrub)
    }

    #[test]
    fn a_run_without_acknowledgements_is_no_success() {
        assert_eq!(report(&History::default(), &[]).wrong, ["nothing was acknowledged"]);
    }

    #[test]
    fn every_kind_of_trouble_is_wrong() {
        let value = Record { worker: 1, sequence: 0 };
        let ack = Ack { partition: 0, offset: 0, value, sent_ms: 0, acked_ms: 0 };
        let mut history = History { acks: vec![ack], unanswered: 1, ..History::default() };
        history.errors.insert("_TRANSPORT".to_owned(), 9);
        history.errors.insert("UNKNOWN_SERVER_ERROR".to_owned(), 2);
        history.failed.push((value, "_MSG_TIMED_OUT".to_owned()));
        let report = report(&history, &["a hole"]);
        for part in [
            "1 lost",
            "2 x UNKNOWN_SERVER_ERROR",
            "1 x _MSG_TIMED_OUT",
            "scrub: a hole",
            "never answered",
        ] {
            assert!(report.wrong.iter().any(|text| text.contains(part)), "{part}: {report:?}");
        }
        assert_eq!(report.json["lost"], 1);
        assert_eq!(report.json["client_errors"]["UNKNOWN_SERVER_ERROR"], 2);
        assert_eq!(report.json["broken_connections"], 9);
        assert!(report.json["client_errors"].get("_TRANSPORT").is_none());
    }
}
