//! The storage node: the hot path of produce and fetch, and the owner of partitions.
//!
//! In: hop requests of gateways and control, addressed by topic id.
//! Out: acknowledged batches in the front, objects in the incarnation's data log, plans for cold
//! readers.
//! Never: tenant-visible names; reads of the object store for a fetch or a search by time; an
//! acknowledgement that rests on anything but durable bytes (R1).
//!
//! A produce passes `server`, `produce`, `partition`, [`wal`], comes back through `partition` and
//! `cache` as durable and visible, and leaves through `upload`. A fetch passes `server`, `fetch`,
//! `partition`; what the cache no longer holds is described by `plan` for a cold reader. `role`
//! starts it all: `recover` ends the last `incarnation`, `open` claims the partitions, `reconcile`
//! follows the assignments, `watchdog` notices what the rest cannot. `release` lets a partition go to another node. `ending` is what both `recover`
//! and `survivor` do: the latter for another node, when control asks.
#![forbid(unsafe_code)]

pub mod config;
pub mod limits;

mod life;
mod role;

mod ending;
mod incarnation;
mod recover;
mod survivor;

mod clock_watch;
mod lease;
mod promise;
mod reconcile;
mod release;
mod watchdog;

mod open;

mod node;

mod server;

mod group_host;
mod groups;
mod producer_ids;

mod produce;

mod acks;
mod producer_state;
mod settings;
mod transactions;
mod txn_markers;
mod verifier;

mod load;
mod partition;
mod partitions;

pub mod wal;

mod cache;

mod upload;

mod cleaning;
mod compaction;
mod retention;

mod delete_records;
mod describe_producers;
mod fetch;
mod list_offsets;
mod log_dirs;
mod plan;
mod replay;

pub mod metrics;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod zombie;

pub use config::{Config, ConfigError, WalKind};
pub use ending::{EndError, end_for_takeover};
pub use groups::{GroupsConfig, MigrationPolicy, TransactionsConfig};
pub use node::Node;
pub use role::{Deps, NodeError, NodeHandle, run, start};
pub use wal::Disks;
