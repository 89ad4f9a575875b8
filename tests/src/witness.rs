//! Witnesses: a Java and a librdkafka program with default settings that work beside whatever is done
//! to a cluster, and testify to what a user's own programs would have noticed.
//!
//! Each sends records to a topic of its own at a light, steady rate, reads them back as a group, and
//! writes down every answer; see `tests/clients/python/witness.py`. A connection that ends is none of
//! their business: clients make another one. An error is one that reached the application.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::clients::{Client, python};
use crate::process::Process;
use crate::times;

/// A JVM that starts beside a whole cluster takes its time.
const PATIENCE: Duration = Duration::from_secs(180);
/// What is not acknowledged after two minutes (Java) or five (librdkafka) is an error by default, and
/// a reader gives up two minutes after the last record.
const FINISH: Duration = Duration::from_secs(450);
const POLL: Duration = Duration::from_millis(50);

/// What witnesses do.
#[derive(Debug, Clone, Copy)]
pub struct Duties<'a> {
    /// Where clients begin.
    pub bootstrap: &'a str,
    /// Of the topic that each of them has of its own.
    pub partitions: u32,
    /// Records a second, of each.
    pub rate: u32,
    /// A topic of others, to which every other record goes.
    pub beside: Option<&'a str>,
}

/// A client that works and writes down what it hears.
#[derive(Debug)]
pub struct Witness {
    name: &'static str,
    process: Process,
    log: PathBuf,
}

/// What a witness heard until now.
#[derive(Debug, Default)]
pub struct Heard {
    /// When each acknowledgement came, and how long after its record was sent; in the order in which
    /// they came.
    pub acks: Vec<(i64, Duration)>,
    /// How often the application was told of which error.
    pub errors: BTreeMap<String, u64>,
    /// What it was told for its information.
    pub told: BTreeMap<String, u64>,
    has_read: bool,
}

/// What a witness says in the end.
#[derive(Debug)]
pub struct Testimony {
    /// Which client.
    pub name: &'static str,
    /// All that it heard.
    pub heard: Heard,
    /// Counts of records: sent, acked, failed, read, lost, duplicated, again, reordered.
    pub records: Value,
}

/// One of each kind.
pub fn both(dir: &Path, duties: Duties<'_>) -> Result<Vec<Witness>> {
    let names = ["java", "librdkafka"];
    let mut witnesses = names
        .map(|name| Witness::start(name, dir, duties, |command| command))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    witnesses.iter_mut().try_for_each(Witness::wait_until_at_work)?;
    Ok(witnesses)
}

/// Ends all of them.
pub fn testimonies(witnesses: Vec<Witness>) -> Result<Vec<Testimony>> {
    witnesses.into_iter().map(Witness::finish).collect()
}

/// librdkafka tells applications, for their information, of every connection that ends, and when it
/// has none left. It makes new ones by itself.
pub fn is_of_connections(told: &str) -> bool {
    matches!(told, "_TRANSPORT" | "_ALL_BROKERS_DOWN")
}

/// All of them, for a result file.
pub fn json(testimonies: &[Testimony]) -> Value {
    testimonies.iter().map(|it| (it.name.to_owned(), it.json())).collect()
}

impl Witness {
    /// Starts `java` or `librdkafka`; `place` says where the command runs.
    pub fn start(
        name: &'static str,
        dir: &Path,
        duties: Duties<'_>,
        place: impl FnOnce(Command) -> Command,
    ) -> Result<Self> {
        let mut command = match name {
            "java" => {
                let mut command = Client::Java.command()?;
                command.arg("witness");
                command
            }
            _ => python("witness.py", &[])?,
        };
        let log = dir.join(format!("witness-{name}.heard"));
        let topic = format!("witness-{name}");
        let (partitions, rate) = (duties.partitions.to_string(), duties.rate.to_string());
        command.args([duties.bootstrap, &topic, &partitions, &rate]).arg(&log).args(duties.beside);
        let process = Process::spawn(&topic, place(command), dir)?;
        Ok(Self { name, process, log })
    }

    /// Which client.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Waits until it has read a record of its own.
    pub fn wait_until_at_work(&mut self) -> Result<()> {
        for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
            if self.heard()?.has_read {
                return Ok(());
            }
            ensure!(!self.process.has_ended(), "{} ended: {}", self.name, self.process.log());
            sleep(POLL);
        }
        anyhow::bail!("{} read nothing: {}", self.name, self.process.log())
    }

    /// What it heard so far.
    pub fn heard(&self) -> Result<Heard> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        // The last line may be under way.
        Heard::of(text.rsplit_once('\n').map_or("", |(whole, _)| whole))
    }

    /// Lets it end: everything that it sent is answered, and all that was acknowledged is read.
    pub fn finish(mut self) -> Result<Testimony> {
        self.process.finish(FINISH).with_context(|| format!("{} ends", self.name))?;
        let output = self.process.log();
        let records = output.lines().rev().find(|line| line.starts_with('{'));
        let records = records.with_context(|| format!("{}: {output}", self.name))?;
        let records = serde_json::from_str(records)?;
        Ok(Testimony { name: self.name, heard: self.heard()?, records })
    }
}

impl Heard {
    fn of(text: &str) -> Result<Self> {
        let mut heard = Self::default();
        for line in text.lines() {
            match *line.split(' ').collect::<Vec<_>>().as_slice() {
                ["ack", _, ms, took] => {
                    heard.acks.push((ms.parse()?, Duration::from_micros(took.parse()?)));
                }
                ["error", kind, class] => {
                    *heard.errors.entry(format!("{kind} {class}")).or_default() += 1;
                }
                ["told", class] => *heard.told.entry(class.to_owned()).or_default() += 1,
                ["read", _] => heard.has_read = true,
                _ => anyhow::bail!("a witness wrote `{line}`"),
            }
        }
        Ok(heard)
    }

    /// When each acknowledgement came.
    pub fn ack_times(&self) -> impl Iterator<Item = i64> {
        self.acks.iter().map(|(ms, _)| *ms)
    }
}

impl Testimony {
    /// Errors that the application was told of.
    pub fn errors(&self) -> u64 {
        self.heard.errors.values().sum()
    }

    /// A count of records.
    pub fn count(&self, what: &str) -> u64 {
        self.records[what].as_u64().unwrap_or(u64::MAX)
    }

    /// The time that `share` (0 to 100) of the acknowledgements took at most, in milliseconds.
    pub fn percentile_ms(&self, share: usize) -> f64 {
        let mut times: Vec<Duration> = self.heard.acks.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let rank = (times.len() * share).div_ceil(100).max(1);
        times.get(rank - 1).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
    }

    /// What a user would complain about.
    pub fn complaints(&self) -> Vec<String> {
        let errors = self.heard.errors.iter().map(|(class, count)| format!("{count} {class}"));
        let told = self.heard.told.iter().filter(|(class, _)| !is_of_connections(class));
        let told = told.map(|(class, count)| format!("{count} {class}"));
        let answered = self.count("acked") + self.count("failed");
        let unanswered = self.count("sent").saturating_sub(answered);
        // A producer that is not idempotent, as librdkafka's is by default, doubles and swaps records
        // when it sends them again: with any broker.
        let classes: &[&str] =
            if self.name == "java" { &["lost", "duplicated", "reordered"] } else { &["lost"] };
        let counts = classes.iter().map(|class| (*class, self.count(class)));
        let counts = counts.chain([("unanswered", unanswered)]).filter(|(_, count)| *count != 0);
        let counts = counts.map(|(class, count)| format!("{count} records {class}"));
        let all = errors.chain(told).chain(counts);
        all.map(|complaint| format!("{}: {complaint}", self.name)).collect()
    }

    fn json(&self) -> Value {
        let took = self.heard.acks.iter().map(|(_, took)| took.as_millis() as i64).collect();
        json!({
            "records": self.records,
            "errors": self.heard.errors,
            "told": self.heard.told,
            "ack_ms": times::json(took),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "ack 0 1000 5000\nread 1001\nack 2 1002 7000\nack 1 1003 900000\n";

    fn testimony(name: &'static str, log: &str, lost: u64, duplicated: u64) -> Testimony {
        let records = json!({
            "sent": 3, "acked": 3, "failed": 0, "lost": lost, "duplicated": duplicated, "reordered": 0
        });
        Testimony { name, heard: Heard::of(log).expect("a log"), records }
    }

    #[test]
    fn who_heard_nothing_bad_has_no_complaint() {
        let quiet = testimony("java", &format!("{LOG}told _TRANSPORT\n"), 0, 0);
        assert_eq!(quiet.complaints(), Vec::<String>::new());
        assert_eq!((quiet.errors(), quiet.percentile_ms(50)), (0, 7.0));
        assert_eq!(quiet.percentile_ms(99), 900.0);
        assert_eq!(quiet.heard.ack_times().collect::<Vec<_>>(), [1000, 1002, 1003]);
    }

    #[test]
    fn an_error_a_lost_record_and_other_news_are_complaints() {
        let log = format!("{LOG}error produce TimeoutException\ntold _TIMED_OUT\n");
        let complaints = testimony("java", &log, 1, 2).complaints();
        let expected = ["1 produce TimeoutException", "1 _TIMED_OUT", "1 records lost"];
        let expected = expected.into_iter().chain(["2 records duplicated"]);
        assert_eq!(complaints, expected.map(|it| format!("java: {it}")).collect::<Vec<_>>());
    }

    #[test]
    fn duplicates_are_its_own_for_who_is_not_idempotent() {
        assert_eq!(testimony("librdkafka", LOG, 0, 2).complaints(), Vec::<String>::new());
    }

    #[test]
    fn what_a_witness_never_writes_is_an_error() {
        assert!(Heard::of("acked 1\n").is_err());
    }
}
