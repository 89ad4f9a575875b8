//! The fencing protocol as a model, and what happens when one rule of it is missing.
//!
//! Two models cover the two ways an acknowledgement is made. In both, processes are
//! immortal, messages are late and doubled, and anyone may be suspected at any time:
//!
//! - [`object_front`]: the write-ahead log is a `SeqLog` in the object store, and the
//!   next owner claims the partition after ending it.
//! - [`drain`]: the write-ahead log is a volume (or a quorum), and a drainer moves its
//!   rest into the data log before ending that.
//!
//! The checker visits every state within the bounds. A model must keep its invariants
//! and reach the situations it was written for; a model with one rule broken
//! ([`mutation`]) must lose an invariant. `tests/fencing.rs` says both for each rule,
//! `docs/model.md` what is not covered.

pub mod check;
pub mod drain;
pub mod mutation;
pub mod object_front;
mod seq_log;
