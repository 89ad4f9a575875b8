//! Whether the books of the bank (`tests/clients/python/bank.py`) are in order: the checker knows only
//! what the clients wrote down.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail};

/// A transfer: whose, and which.
type Transfer = (u32, u64);

/// What its teller knows of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The commit was asked for.
    Asked,
    /// Nobody will ever say.
    Unknown,
    Committed,
    Aborted,
}

/// What was seen of a transfer.
#[derive(Debug, Default)]
struct Seen {
    /// How often each leg.
    legs: BTreeMap<u32, u32>,
    /// How many there are to be.
    of: u32,
}

/// Everything that is wrong, counted by class, and what was done.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// Transfers that their tellers know to be committed.
    pub(super) committed: u64,
    /// And to be aborted.
    pub(super) aborted: u64,
    /// Of which nobody knows.
    pub(super) unknown: u64,
    /// Prefixes of the topic at which the books were compared.
    pub(super) audits: u64,
    /// Errors that an application has to handle, by name.
    pub(super) errors: BTreeMap<String, u64>,
    counts: BTreeMap<&'static str, u64>,
    examples: Vec<String>,
}

/// Examples that are kept of all classes together.
const EXAMPLES_MAX: usize = 20;

impl Audit {
    /// All that is wrong, in words; nothing for good books.
    pub(super) fn wrong(&self) -> Vec<String> {
        let counts = self.counts.iter().map(|(class, count)| format!("{count} {class}"));
        let errors = self.errors.iter().map(|(name, count)| format!("{count} x {name}"));
        counts.chain(self.examples.iter().cloned()).chain(errors).collect()
    }

    fn found(&mut self, class: &'static str, example: impl FnOnce() -> String) {
        *self.counts.entry(class).or_default() += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(format!("{class}: {}", example()));
        }
    }
}

/// The books as one reader sees them, while they are written.
#[derive(Debug, Default)]
struct Books {
    fates: HashMap<Transfer, Fate>,
    seen: HashMap<Transfer, Seen>,
    /// Where each partition's reader is.
    next: BTreeMap<u32, i64>,
    /// The last transfer of each teller in each partition.
    last: HashMap<(u32, u32), u64>,
    sum: i64,
    ended: bool,
    audit: Audit,
}

/// Judges `history`, and `again`, which is what another reader found from offset 0.
pub(super) fn check(history: &str, again: &str) -> Result<Audit> {
    let mut books = Books::default();
    books.read(history)?;
    let mut second = Books { fates: std::mem::take(&mut books.fates), ..Books::default() };
    second.read(again)?;
    let mut audit = books.audit;
    let same = books.seen.len() == second.seen.len()
        && books.seen.iter().all(|(transfer, seen)| {
            second.seen.get(transfer).is_some_and(|again| again.legs == seen.legs)
        });
    if !same {
        let counts = (books.seen.len(), second.seen.len());
        audit.found("inconsistent", || format!("two readers saw {counts:?} transfers"));
    }
    for (class, count) in second.audit.counts {
        *audit.counts.entry(class).or_default() += count;
    }
    audit.examples.extend(second.audit.examples);
    audit.audits += second.audit.audits;
    let fates = |wanted| second.fates.values().filter(|fate| **fate == wanted).count() as u64;
    (audit.committed, audit.aborted) = (fates(Fate::Committed), fates(Fate::Aborted));
    audit.unknown = fates(Fate::Unknown);
    Ok(audit)
}

impl Books {
    fn read(&mut self, history: &str) -> Result<()> {
        for line in history.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            self.event(&words).with_context(|| format!("`{line}`"))?;
        }
        anyhow::ensure!(self.ended, "the history breaks off");
        Ok(())
    }

    fn event(&mut self, words: &[&str]) -> Result<()> {
        match words {
            ["asks", transfer @ ..] => self.know(transfer, Fate::Asked)?,
            ["committed", transfer @ ..] => self.know(transfer, Fate::Committed)?,
            ["aborted", transfer @ ..] => self.know(transfer, Fate::Aborted)?,
            ["unknown", transfer @ ..] => self.know(transfer, Fate::Unknown)?,
            ["r", partition, offset, teller, transfer, leg, legs, amount] => {
                let transfer = name(&[teller, transfer])?;
                self.place(partition.parse()?, offset.parse()?, transfer);
                self.leg(transfer, leg.parse()?, legs.parse()?, amount.parse()?);
            }
            ["audit", stable] => self.compare(*stable == "1"),
            ["e", error] => *self.audit.errors.entry((*error).to_owned()).or_default() += 1,
            ["end"] => self.ended = true,
            _ => bail!("is no event of the bank"),
        }
        Ok(())
    }

    fn know(&mut self, transfer: &[&str], fate: Fate) -> Result<()> {
        self.fates.insert(name(transfer)?, fate);
        Ok(())
    }

    /// Offsets go up, and so do each teller's transfers.
    fn place(&mut self, partition: u32, offset: i64, transfer: Transfer) {
        let next = self.next.entry(partition).or_default();
        if offset < *next {
            let expected = *next;
            self.audit.found("nonmonotonic", || format!("{partition}@{offset}, not {expected}"));
        }
        *next = offset + 1;
        let last = self.last.entry((partition, transfer.0)).or_default();
        if transfer.1 < *last {
            let last = *last;
            self.audit.found("reordered", || format!("{transfer:?} after {last} in {partition}"));
        }
        *last = transfer.1;
    }

    fn leg(&mut self, transfer: Transfer, leg: u32, legs: u32, amount: i64) {
        self.sum += amount;
        let seen = self.seen.entry(transfer).or_default();
        seen.of = legs;
        let times = seen.legs.entry(leg).or_default();
        *times += 1;
        if *times > 1 {
            self.audit.found("duplicated", || format!("leg {leg} of {transfer:?}"));
        }
        match self.fates.get(&transfer) {
            Some(Fate::Asked | Fate::Unknown | Fate::Committed) => {}
            Some(Fate::Aborted) => self.audit.found("aborted reads", || format!("{transfer:?}")),
            None => self.audit.found("precommitted reads", || format!("{transfer:?}")),
        }
    }

    /// The books at a prefix that ends no transaction in the middle.
    fn compare(&mut self, stable: bool) {
        self.audit.audits += 1;
        let audit = self.audit.audits;
        if !stable {
            self.audit.found("hanging transactions", || format!("at audit {audit}"));
        }
        if self.sum != 0 {
            let sum = self.sum;
            self.audit.found("wrong sums", || format!("{sum} at audit {audit}"));
        }
        for (transfer, seen) in &self.seen {
            if seen.legs.len() != seen.of as usize {
                self.audit.found("torn transfers", || format!("{transfer:?} at audit {audit}"));
            }
        }
        for (transfer, fate) in &self.fates {
            if *fate == Fate::Committed && !self.seen.contains_key(transfer) {
                self.audit.found("lost transfers", || format!("{transfer:?} at audit {audit}"));
            }
        }
    }
}

fn name(words: &[&str]) -> Result<Transfer> {
    let [teller, transfer, ..] = words else { bail!("names no transfer") };
    Ok((teller.parse()?, transfer.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "asks 0 0\nr 0 0 0 0 0 2 5\ncommitted 0 0 2\nr 1 0 0 0 1 2 -5\naborted 0 1\n\
                        audit 1\n";

    fn classes(history: &str, again: &str) -> Vec<&'static str> {
        let audit = check(&format!("{history}end\n"), &format!("{again}end\n")).unwrap();
        audit.counts.into_keys().collect()
    }

    fn found(history: &str) -> Vec<&'static str> {
        let reads = history.split_inclusive('\n').filter(|line| line.starts_with('r'));
        classes(history, &reads.collect::<String>())
    }

    #[test]
    fn good_books_are_good() {
        assert_eq!(found(GOOD), Vec::<&str>::new());
        let audit = check(&format!("{GOOD}end\n"), "r 0 0 0 0 0 2 5\nr 1 0 0 0 1 2 -5\nend\n");
        let audit = audit.unwrap();
        assert_eq!((audit.committed, audit.aborted, audit.audits), (1, 1, 1));
    }

    #[test]
    fn every_class_is_found() {
        let with = |more: &str| format!("{GOOD}{more}");
        assert_eq!(found("asks 0 0\nr 0 0 0 0 0 2 0\naudit 1\n"), ["torn transfers"]);
        assert_eq!(found("asks 0 0\nr 0 0 0 0 0 1 3\naudit 1\n"), ["wrong sums"]);
        assert_eq!(found("asks 0 0\ncommitted 0 0 2\naudit 1\n"), ["lost transfers"]);
        assert_eq!(found("aborted 0 0\nr 0 0 0 0 0 1 0\n"), ["aborted reads"; 1]);
        assert_eq!(found("r 0 0 0 0 0 1 0\nasks 0 0\n"), ["precommitted reads"]);
        assert_eq!(found(&with("r 1 7 0 0 1 2 -5\n")), ["duplicated"]);
        assert_eq!(found(&with("audit 0\n")), ["hanging transactions"]);
        let backwards = "asks 0 1\nasks 0 0\nr 0 0 0 1 0 1 0\nr 0 1 0 0 0 1 0\n";
        assert_eq!(found(backwards), ["reordered"]);
        let back = "asks 0 0\nasks 0 1\nr 0 1 0 0 0 1 0\nr 0 0 0 1 0 1 0\n";
        assert_eq!(found(back), ["nonmonotonic"]);
        assert_eq!(classes(GOOD, "r 0 0 0 0 0 2 5\n"), ["inconsistent"]);
    }

    #[test]
    fn a_history_that_breaks_off_is_an_error() {
        check(GOOD, "end\n").unwrap_err();
    }
}
