//! What the clients wrote down: acknowledgements, failures and reads, as
//! `tests/clients/python/history.py` records them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::str::{FromStr, SplitWhitespace};

use anyhow::{Context, Result, bail};

/// A record's identity: who sent it, and as which of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    /// The producer.
    pub worker: u16,
    /// Counts that producer's records, over all partitions.
    pub sequence: u64,
}

/// An acknowledged record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Where.
    pub partition: u32,
    /// The offset that the acknowledgement names; -1 if it only says that the record is there.
    pub offset: i64,
    /// Which record.
    pub value: Value,
    /// When the application handed it over, Unix milliseconds.
    pub sent_ms: i64,
    /// When the application heard of it.
    pub acked_ms: i64,
}

/// A record as a consumer got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Its offset.
    pub offset: i64,
    /// Which record; `None` if its bytes are not those that were sent.
    pub value: Option<Value>,
}

/// Everything one consumer got, per partition, in the order of delivery.
#[derive(Debug, Default, Clone)]
pub struct Reader {
    /// The reads.
    pub partitions: BTreeMap<u32, Vec<Read>>,
    /// It reached the ends it was to reach.
    pub complete: bool,
}

/// One run, as its clients saw it.
#[derive(Debug, Default, Clone)]
pub struct History {
    /// All acknowledgements.
    pub acks: Vec<Ack>,
    /// Records the client gave up, with the error's name.
    pub failed: Vec<(Value, String)>,
    /// Errors told to applications, by name.
    pub errors: BTreeMap<String, u64>,
    /// How many records each worker handed over.
    pub sent: BTreeMap<u16, u64>,
    /// Records whose fate their producer did not learn.
    pub unanswered: u64,
    /// Consumers that followed the load.
    pub tails: Vec<Reader>,
    /// The read of everything after the cluster was healed.
    pub last: Reader,
}

impl History {
    /// Adds what a producer wrote down.
    pub fn add_producer(&mut self, worker: u16, log: &Path) -> Result<()> {
        let mut ended = false;
        for_each_line(log, |kind, words| {
            match kind {
                "a" => {
                    let (partition, offset) = (number(words)?, number(words)?);
                    let (value, sent_ms) = (value(words)?, number(words)?);
                    let acked_ms = number(words)?;
                    self.acks.push(Ack { partition, offset, value, sent_ms, acked_ms });
                }
                "f" => {
                    let value = value(words)?;
                    self.failed.push((value, word(words)?.to_owned()));
                }
                "e" => self.count(word(words)?),
                "end" => {
                    self.sent.insert(worker, number(words)?);
                    self.unanswered += number::<u64>(words)?;
                    ended = true;
                }
                other => bail!("`{other}` is no event of a producer"),
            }
            Ok(())
        })?;
        anyhow::ensure!(ended, "{}: the producer did not end in order", log.display());
        Ok(())
    }

    /// Reads what a consumer wrote down.
    pub fn reader(&mut self, log: &Path) -> Result<Reader> {
        let mut reader = Reader::default();
        for_each_line(log, |kind, words| {
            match kind {
                "r" => {
                    let (partition, offset) = (number(words)?, number(words)?);
                    let read = Read { offset, value: Some(value(words)?) };
                    reader.partitions.entry(partition).or_default().push(read);
                }
                "x" => {
                    let (partition, offset) = (number(words)?, number(words)?);
                    let read = Read { offset, value: None };
                    reader.partitions.entry(partition).or_default().push(read);
                }
                "e" => self.count(word(words)?),
                "end" => reader.complete = true,
                other => bail!("`{other}` is no event of a consumer"),
            }
            Ok(())
        })?;
        Ok(reader)
    }

    fn count(&mut self, error: &str) {
        *self.errors.entry(error.to_owned()).or_default() += 1;
    }
}

fn for_each_line(
    log: &Path,
    mut event: impl FnMut(&str, &mut SplitWhitespace<'_>) -> Result<()>,
) -> Result<()> {
    let file = File::open(log).with_context(|| log.display().to_string())?;
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line?;
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap_or_default();
        event(kind, &mut words)
            .with_context(|| format!("{}:{}: {line}", log.display(), number + 1))?;
    }
    Ok(())
}

fn word<'a>(words: &mut SplitWhitespace<'a>) -> Result<&'a str> {
    words.next().context("the line is cut short")
}

fn number<T: FromStr>(words: &mut SplitWhitespace<'_>) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    Ok(word(words)?.parse()?)
}

fn value(words: &mut SplitWhitespace<'_>) -> Result<Value> {
    Ok(Value { worker: number(words)?, sequence: number(words)? })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_producer_s_lines_become_acks_failures_and_errors() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("p");
        fs::write(&log, "a 3 17 1 5 1000 1010\nf 1 6 _MSG_TIMED_OUT\ne _TRANSPORT\nend 7 2\n")
            .unwrap();
        let mut history = History::default();
        history.add_producer(1, &log).unwrap();
        let value = Value { worker: 1, sequence: 5 };
        let ack = Ack { partition: 3, offset: 17, value, sent_ms: 1000, acked_ms: 1010 };
        assert_eq!(history.acks, [ack]);
        let failed = (Value { worker: 1, sequence: 6 }, "_MSG_TIMED_OUT".to_owned());
        assert_eq!(history.failed, [failed]);
        assert_eq!(history.errors["_TRANSPORT"], 1);
        assert_eq!((history.sent[&1], history.unanswered), (7, 2));
    }

    #[test]
    fn a_producer_that_broke_off_is_an_error_and_not_a_short_history() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("p");
        fs::write(&log, "a 3 17 1 5 1000 1010\n").unwrap();
        let error = History::default().add_producer(1, &log).unwrap_err();
        assert!(error.to_string().contains("did not end in order"), "{error}");
        fs::write(&log, "a 3 17 1\nend 1 0\n").unwrap();
        History::default().add_producer(1, &log).unwrap_err();
    }

    #[test]
    fn a_reader_s_lines_keep_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("r");
        fs::write(&log, "r 0 0 1 5\nx 0 1\ne _TRANSPORT\nend\n").unwrap();
        let mut history = History::default();
        let reader = history.reader(&log).unwrap();
        assert!(reader.complete);
        let value = Some(Value { worker: 1, sequence: 5 });
        let reads = [Read { offset: 0, value }, Read { offset: 1, value: None }];
        assert_eq!(reader.partitions[&0], reads);
        assert_eq!(history.errors["_TRANSPORT"], 1);
    }
}
