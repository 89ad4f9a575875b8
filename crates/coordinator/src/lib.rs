//! Consumer groups and their offsets, as a pure state machine.
//!
//! In: commands of clients ([`Command`]) with the time, and the records of the log on start-up.
//! Out: replies, and records that the host makes durable before it lets the replies go
//! ([`Outputs`]).
//! Never: I/O, tasks, locks, a clock, randomness that was not passed in.

mod command;
mod config;
mod coordinator;
mod record;

pub use command::{Caller, Command, Outputs, Reply, Token};
pub use config::Config;
pub use coordinator::Coordinator;
pub use record::{
    CommittedOffset, GroupKey, MemberRecord, Membership, Record, RecordError, TopicPartition,
};
