//! What transactional producers did, and what readers of committed records saw.

use std::fmt;
use std::str::FromStr;

use super::Reader;

/// A transaction: the how manieth of which producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transaction {
    /// Whose.
    pub producer: u32,
    /// Its number. The offset that it commits, if it commits one.
    pub number: u64,
}

/// A record of a transaction: unique in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Written {
    /// Of which transaction.
    pub transaction: Transaction,
    /// The how manieth of its records.
    pub index: u32,
}

/// One thing that happened to a transaction, in the view of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record was acknowledged.
    Wrote {
        /// Which.
        record: Written,
        /// Where.
        partition: i32,
    },
    /// Its producer has asked for a commit and does not know whether it was heard. A transaction without
    /// this can only be aborted.
    Committing {
        /// Which.
        transaction: Transaction,
        /// Whether it has a group's offset, too.
        with_offset: bool,
    },
    /// Its producer was told that it is committed.
    Committed {
        /// Which.
        transaction: Transaction,
    },
    /// A reader of committed records got a record.
    Read {
        /// Who.
        reader: Reader,
        /// Where.
        partition: i32,
        /// Where in it.
        offset: i64,
        /// What.
        record: Written,
    },
    /// A reader of committed records has all that is below an offset.
    Passed {
        /// Who.
        reader: Reader,
        /// Where.
        partition: i32,
        /// Below which offset.
        upto: i64,
    },
    /// A group's offset, when nothing is undecided any more; −1 for none.
    Offset {
        /// Whose.
        producer: u32,
        /// How far.
        offset: i64,
    },
}

impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.producer, self.number)
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.transaction, self.index)
    }
}

impl FromStr for Written {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.splitn(3, '-');
        let mut next = || numbers.next().ok_or(());
        let producer = next()?.parse().map_err(drop)?;
        let number = next()?.parse().map_err(drop)?;
        let index = next()?.parse().map_err(drop)?;
        Ok(Self { transaction: Transaction { producer, number }, index })
    }
}
