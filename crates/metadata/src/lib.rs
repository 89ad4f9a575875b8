//! The cluster's metadata: where things are, not what was acknowledged.
//!
//! ```text
//! In:    keys and typed records from control (topics, assignments) and from every process
//!        (its own registration)
//! Out:   lookups from memory, through ClusterView
//! Never: anything an acknowledgement depends on (R1). All of it can be rebuilt from the
//!        object store.
//! ```
//!
//! The modules, from the outside in: [`view`] is what most of the system uses; [`keys`],
//! [`model`], [`settings`], [`gateway_sets`] and [`topic_config`] say what is stored; [`store`] and [`txn`] are the seam to the
//! stores, of which there are three: [`EtcdStore`], [`RedbStore`] and [`MemoryStore`].

#![forbid(unsafe_code)]

pub mod gateway_sets;
pub mod keys;
pub mod limits;
pub mod model;
pub mod presence;
pub mod settings;
pub mod store;
pub mod topic_config;
pub mod txn;
pub mod view;

mod embedded;
mod etcd;
mod memory;
mod open;
mod redb_store;

#[cfg(test)]
mod conformance;

pub use etcd::{EtcdStore, EtcdTls, EtcdUrlError};
pub use memory::MemoryStore;
pub use open::{OpenError, open, open_over};
pub use redb_store::{RedbError, RedbStore};
pub use store::{
    Entry, Event, LeaseId, Listing, MetadataError, MetadataStore, WatchBatch, WatchStream, Watched,
};
pub use txn::{Compare, Expected, Op, Txn, TxnOutcome};
pub use view::{ClusterView, Over, Topic};
