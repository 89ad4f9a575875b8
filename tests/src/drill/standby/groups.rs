//! Groups of real consumers, Java and librdkafka, that read a little wherever a site serves: each time
//! every partition goes on with the very record after the last one that was committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::clients::Client;

const TOPIC: &str = "groups";
const PARTITIONS: u32 = 3;
/// New records of a partition before each reading.
const EACH: u64 = 20;
const CLIENTS: [Client; 2] = [Client::Java, Client::Python];

/// Offsets by partition.
type Offsets = BTreeMap<u32, u64>;

/// The groups, and how far they have committed.
pub(super) struct Groups {
    lines: PathBuf,
    next: [Offsets; CLIENTS.len()],
}

impl Groups {
    /// Makes their topic.
    pub(super) fn new(dir: &Path, bootstrap: &str) -> Result<Self> {
        let lines = dir.join("groups.lines");
        fs::write(&lines, "a record\n".repeat(usize::try_from(EACH)?))?;
        Client::Python.create_topic(bootstrap, TOPIC, PARTITIONS)?;
        let next = CLIENTS.map(|_| (0..PARTITIONS).map(|partition| (partition, 0)).collect());
        Ok(Self { lines, next })
    }

    /// Adds records and has every group read and commit them; what is wrong with where it went on.
    pub(super) fn read(&mut self, bootstrap: &str) -> Result<Vec<String>> {
        for partition in 0..PARTITIONS {
            Client::Python.produce(bootstrap, TOPIC, partition, "none", &self.lines)?;
        }
        let mut wrong = Vec::new();
        for (client, next) in CLIENTS.into_iter().zip(&mut self.next) {
            let group = format!("groups-{client:?}");
            let most = EACH * u64::from(PARTITIONS);
            let answer = client.group(bootstrap, TOPIC, &group, most)?;
            let (first, last) = parse(&answer)?;
            if first != *next {
                wrong.push(format!("{client:?}: the group went on at {first:?}, not at {next:?}"));
            }
            *next = last.into_iter().map(|(partition, offset)| (partition, offset + 1)).collect();
        }
        eprintln!("groups read up to {:?}", self.next);
        Ok(wrong)
    }
}

/// The first and the last offsets of `COUNT {0=1, 1=1} {0=5, 1=5}`.
fn parse(answer: &str) -> Result<(Offsets, Offsets)> {
    let mut maps = answer.split(['{', '}']).skip(1).step_by(2).map(offsets);
    let (first, last) = (maps.next(), maps.next());
    let (first, last) = first.zip(last).with_context(|| format!("two maps in `{answer}`"))?;
    ensure!(maps.next().is_none(), "two maps in `{answer}`");
    Ok((first?, last?))
}

fn offsets(map: &str) -> Result<Offsets> {
    map.split(", ")
        .map(|entry| {
            let (partition, offset) = entry.split_once('=').context("PARTITION=OFFSET")?;
            Ok((partition.parse()?, offset.parse()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_clients_are_read() {
        let (first, last) = parse("6 {0=20, 1=7} {0=22, 1=9}").expect("an answer");
        assert_eq!(first, Offsets::from([(0, 20), (1, 7)]));
        assert_eq!(last, Offsets::from([(0, 22), (1, 9)]));
        assert!(parse("6").is_err() && parse("6 {} {}").is_err());
    }
}
