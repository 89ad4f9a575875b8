//! Control: beside the path, never on it.
//!
//! ```text
//! In:    admin requests from gateways, requests for producer ids from nodes; who is up, from
//!        the metadata store
//! Out:   the catalogue of topics, in the metadata log and its copies; which node should own
//!        which partition
//! Never: a record. Produce and fetch go on without control.
//! ```
//!
//! The modules in the order of a request: `server` takes it, `command` carries it, `term`
//! executes it against the `catalogue`: `admin` plans, `meta_log` commits, `copies` shows,
//! `assign` and [`placement`] choose nodes, `opening` tells them. Around a term: `election` says
//! who leads, `guard` keeps a leader of yesterday from changing anything, `failover` takes
//! partitions from nodes that are gone, and `balance` evens nodes out by what `load` hears of them.
//! [`dns`] moves the clients' name between gateway sets.
//! [`api`] is where operators ask and are obeyed; `audit` writes down what they changed. [`bootstrap()`] comes before all of it, and
//! [`rebuild()`] before that when the metadata store was lost. A second cluster on the same bucket waits
//! in [`stand_by()`] until a [`Promotion`].

#![forbid(unsafe_code)]

pub mod api;
mod config;
pub mod dns;
pub mod placement;

mod bootstrap;
mod cluster_id;
mod rebuild;
mod role;
mod standby;

mod audit;
mod command;
mod desk;
mod server;

mod election;
mod guard;
mod term;

mod admin;
mod catalogue;
mod deleted_topics;
mod meta_log;
mod wrapped_keys;

mod assign;
mod balance;
mod copies;
mod failover;
mod front_choice;
mod opening;
mod processes;

mod mutations;
mod shares;

mod limits;
mod load;
mod metrics;

pub use api::AdminConfig;
pub use balance::BalanceConfig;
pub use bootstrap::{BootstrapError, GROUP_STATE_TOPIC, bootstrap, bootstrap_within, finish_alone};
pub use config::{Config, ConfigError};
pub use deleted_topics::deleted_topics;
pub use failover::FailoverConfig;
pub use front_choice::FrontChoice;
pub use meta_log::{MetaLogError, record::RecordError};
pub use processes::{ProcessInfo, processes};
pub use rebuild::{RebuildError, Rebuilt, rebuild};
pub use role::{Control, Deps, RoleError, run, start};
pub use standby::{
    AtRisk, DemoteError, Demoted, Ender, PromoteError, Promoted, Promotion, Prospect, Risk,
    StandbyConfig, StandbyError, Step, demote, stand_by,
};
pub use wrapped_keys::wrapped_keys;
