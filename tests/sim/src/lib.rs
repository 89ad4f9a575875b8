//! Deterministic simulation: the real gateway, storage node, cold reader and control on one thread,
//! on a simulated network, disks, object store and metadata store, under faults drawn from a seed.
//!
//! In: a seed. Out: the anomalies that clients saw, and a hash of everything that happened.
//! Never: a real socket, a real clock, a real random number that matters.
//!
//! ```text
//! scenario ── what the seed stands for
//!    ├── world ─── roles on turmoil hosts; object_store, metadata_store beside them
//!    ├── workload ─ producers, readers, groups ──► history ──► checker
//!    ├── mover ──── an operator who moves partitions
//!    └── nemesis ── crashes, partitions, faults of the stores
//! ```
//!
//! See `docs/simulation.md`.

pub mod checker;
pub mod history;
pub mod panics;
pub mod run;
pub mod scenario;
pub mod trace;

pub mod disks;
pub mod faults;
pub mod kafka;
pub mod metadata_store;
pub mod mover;
pub mod nemesis;
pub mod network;
pub mod object_store;
pub mod remote;
pub mod workload;
pub mod world;
