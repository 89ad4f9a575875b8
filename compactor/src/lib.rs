//! Behind the path: what rewrites stored records, and what removes them.
//!
//! ```text
//! In:    units of work from the owners of partitions; listings and manifests of the bucket
//! Out:   compacted objects, offered to the owners; deletions of what no manifest needs
//! Never: a manifest of a partition that lives. The compactor proposes, the owner commits (R33).
//!        And never a delete of END, or of anything in a log that may still grow (R8).
//! ```
//!
//! It is a role of its own so that its CPU, memory and share of the object store are its own, and
//! so that it alone needs the right to delete (R19). It keeps no state: a compactor that dies leaves
//! objects that nobody refers to, and the next one collects them.
//!
//! `role` starts three loops. `rounds` asks nodes for work, has `rewrite` do it and offers the
//! result. `clean` does the same for topics with `cleanup.policy=compact`, by key. `gc` reads all manifests now and then and deletes what they let go of.
#![forbid(unsafe_code)]

mod config;
mod limits;
mod metrics;
mod role;

mod rounds;

mod rewrite;

mod clean;

mod blocks;
mod objects;

mod pacer;

mod gc;

pub use clean::Cleaner;
pub use config::{Config, ConfigError, GcConfig};
pub use gc::{Collector, Cycle};
pub use role::{DeletedTopics, Deps, start};
pub use rounds::{Round, Rounds};
