//! What the clients of a run did and saw, in the order in which it happened.
//!
//! Each record's value names its producer and its number, so that whoever reads it knows what it
//! should be. Each producer writes to one partition only: its numbers must come back in order.

pub mod transactions;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::trace::Claim;

/// A record's value: unique in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    /// Who sent it.
    pub producer: u32,
    /// The how manieth of its records it is.
    pub number: u64,
}

/// One thing that a client did or saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A batch was handed to the network; nothing more is known unless another event says so.
    Sent {
        /// Its records.
        values: Vec<Value>,
        /// Where to.
        partition: i32,
    },
    /// The batch is acknowledged.
    Acked {
        /// Its records.
        values: Vec<Value>,
        /// Where it is.
        partition: i32,
        /// The offset of its first record; none if the answer did not say (a duplicate).
        base_offset: Option<i64>,
    },
    /// The batch was refused for good: it must never be seen (R44).
    Refused {
        /// Its records.
        values: Vec<Value>,
        /// Where it was not appended.
        partition: i32,
        /// With which error.
        code: i16,
    },
    /// The batch was refused because it does not follow the one before, as far as the owner knows.
    OutOfOrder {
        /// Its records.
        values: Vec<Value>,
        /// Where it was not appended.
        partition: i32,
    },
    /// A reader got a record.
    Read {
        /// Who, in which uninterrupted pass: within one offsets go up by one.
        reader: Reader,
        /// Where.
        partition: i32,
        /// Where in it.
        offset: i64,
        /// What.
        value: Value,
        /// Under which leader it was appended.
        epoch: i32,
    },
    /// A reader was told how far the partition goes.
    Marks {
        /// Who.
        reader: Reader,
        /// Which.
        partition: i32,
        /// Its high watermark.
        high_watermark: i64,
        /// Its log start.
        log_start: i64,
    },
    /// A group's offset was given to the coordinator; true if it said that it has it.
    Committed {
        /// Whose.
        group: u32,
        /// Where.
        partition: i32,
        /// How far.
        offset: i64,
        /// Whether it is acknowledged.
        acked: bool,
    },
    /// The coordinator said where a group is.
    Fetched {
        /// Whose.
        group: u32,
        /// Where.
        partition: i32,
        /// How far; −1 for nowhere.
        offset: i64,
    },
    /// A producer was given an id.
    ProducerId {
        /// Who.
        producer: u32,
        /// Which.
        id: i64,
        /// Its epoch.
        epoch: i16,
    },
    /// A reader was told that the offset it asked for does not exist. Readers here only ask for
    /// offsets that they were led to, so it can only have been deleted.
    OutOfRange {
        /// Who.
        reader: Reader,
        /// Where.
        partition: i32,
        /// The offset.
        offset: i64,
    },
    /// A reader whose offset was not there any more went on at the log start.
    Reset {
        /// Who.
        reader: Reader,
        /// Where.
        partition: i32,
        /// The log start.
        offset: i64,
    },
    /// Something about a transaction.
    Transaction(transactions::Step),
    /// A node says that it owns a partition.
    Claimed(Claim),
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reader {
    /// The client.
    pub id: u32,
    /// Its how manieth pass.
    pub pass: u32,
}

impl Reader {
    /// Whoever reads everything at the end, when nothing is broken any more.
    pub const FINAL: Self = Self { id: u32::MAX, pass: 0 };
}

/// The history of a run; cheap to clone, all clones are one.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Vec<Event>>>);

impl History {
    /// Adds an event.
    pub fn add(&self, event: Event) {
        self.0.lock().push(event);
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().clone()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.producer, self.number)
    }
}

impl std::str::FromStr for Value {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (producer, number) = text.split_once('-').ok_or(())?;
        let producer = producer.parse().map_err(drop)?;
        Ok(Self { producer, number: number.parse().map_err(drop)? })
    }
}
