//! Consumer groups, their offsets, and transactions, as a pure state machine.
//!
//! In: commands of clients ([`Command`]) with the time, and the records of the log on start-up.
//! Out: replies, and records that the host makes durable before it lets the replies go
//! ([`Outputs`]); and the ends of transactions, for the host to tell to the partitions.
//! Never: I/O, tasks, locks, a clock, randomness that was not passed in.
//!
//! A command goes through [`coordinator`] to the group it names: [`classic`] and [`consumer`] for
//! membership, [`offsets`] for positions, [`admin`] for what operators ask; or to [`transactions`], by
//! its transactional id. All of them change durable state by emitting a [`Record`] and in no other
//! way, so a replay of the log ends where they did.
//!
//! ```
//! use coordinator::{
//!     Caller, Command, Config, Coordinator, Outputs, Shard, Token, TopicShape, Topics,
//! };
//! use protocol::StrBytes;
//! use protocol::ids::{TenantId, TopicId};
//! use protocol::messages::HeartbeatRequest;
//!
//! struct Unnamed;
//! impl Topics for Unnamed {
//!     fn name(&self, _: TenantId, _: TopicId) -> Option<StrBytes> {
//!         None
//!     }
//!     fn find(&self, _: TenantId, _: &str) -> Option<TopicShape> {
//!         None
//!     }
//!     fn all(&self, _: TenantId) -> Vec<(StrBytes, TopicShape)> {
//!         Vec::new()
//!     }
//!     fn revision(&self) -> u64 {
//!         0
//!     }
//! }
//!
//! let shard = Shard { topic: TopicId::random(), count: 50, epoch: 1 };
//! let names = std::sync::Arc::new(Unnamed);
//! let mut coordinator = Coordinator::new(Config::default(), shard, 7, names);
//! // Here the host replays its log with `apply`.
//! coordinator.loaded(0);
//!
//! let caller = Caller {
//!     tenant: TenantId::DEFAULT,
//!     token: Token(1),
//!     client_id: "app".into(),
//!     client_host: "/127.0.0.1".into(),
//! };
//! let heartbeat = HeartbeatRequest::default().with_group_id(StrBytes::from("group").into());
//! let mut out = Outputs::default();
//! coordinator.handle(1_000, &caller, Command::Heartbeat(heartbeat), &mut out);
//! assert!(out.records.is_empty());
//! assert_eq!(out.replies[0].0, Token(1), "UNKNOWN_MEMBER_ID, most likely");
//! ```

mod coordinator;

mod command;
mod config;

mod admin;
mod classic;
mod consumer;
mod offsets;
mod subscription;
mod transactions;

mod effects;
mod ledger;
mod limits;
mod owned;
mod pending;
mod record;
mod timers;

pub use command::{Caller, Command, Outputs, Reply, Token};
pub use config::{Config, MigrationPolicy};
pub use coordinator::{Coordinator, GroupConfigs, Shard, TopicShape, Topics};
pub use limits::RECORD_BYTES_MAX;
pub use offsets::Marker;
pub use record::{
    Assignment, ClassicMember, CommittedOffset, ConsumerChange, ConsumerEpochs, ConsumerMember,
    CurrentAssignment, GroupKey, MemberRecord, MemberState, Membership, Record, RecordError,
    TopicPartition, TransactionKey,
};
pub use transactions::{
    AddPartitions, Markers, MarkersWritten, Producer, Transaction, TransactionState,
    TransactionVersion,
};
