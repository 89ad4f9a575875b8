//! The cold path: a plan comes in, ranged GETs go out, verified records come back.
//!
//! In: a plan that the partition's owner sealed, and an offset in it. While a partition has no
//! owner, a question for a plan, which is then made from its manifest (`planner`).
//! Out: whole record batches, as many bytes as asked for; or, for a search by time, one offset.
//! Never: a storage node. A consumer that replays a year of history costs the
//! nodes one lookup per tens of megabytes, and no byte, no GET and no memory;
//! this crate does not depend on theirs, so that it stays a fact of the build.
//!
//! A fetch passes the modules in this order: `server` checks the plan, `fetch`
//! composes the rest, `expand` finds the blocks of compacted objects, `select`
//! chooses among them, `blocks` loads and keeps them (in `fair` turns, within its
//! `memory`), `assemble` cuts out the answer, `readahead` looks ahead, `progress` tells how far groups
//! are.

mod config;
mod limits;
mod metrics;
mod registration;
mod role;

mod server;

mod fetch;

mod planner;

mod progress;

mod expand;

mod select;

mod blocks;

mod load;

mod fair;

mod memory;

mod recency;

mod assemble;

mod readahead;

#[cfg(test)]
mod fixture;

pub use config::Config;
pub use role::{Deps, Reader, RoleError, run, start};
