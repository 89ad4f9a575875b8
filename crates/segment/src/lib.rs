//! Bytes in the object store: the one authority for acknowledged records.
//!
//! In: record batches that a front made durable, and changes of ownership.
//! Out: immutable objects, and the proof of who may write what.
//! Never: a network protocol, a clock, a cache.
//!
//! From the bottom up: [`store`] gives conditional writes whose answer can be
//! trusted, and [`mod@probe`] refuses stores that cannot give them; [`keys`] names
//! every object; [`seqlog`] is a log with one writer and one end; [`object`] is
//! the segment in its slots, [`seal`] keeps a tenant's records from whoever has the bucket;
//! [`extent`], [`index`] and [`manifest`] say where a partition's records are and who owns it;
//! [`generation`] fences clusters of before a takeover, and [`ceiling`] keeps their offsets from being
//! used again where records were given up; [`producers`] says what producers did in logs that
//! are compacted, [`transactions`] which of it was aborted or is undecided; [`plan`] lets a cold
//! reader fetch them.
//!
//! ```
//! use protocol::ids::NodeId;
//! use segment::seqlog::{EndRecord, OpenSlot, SeqLogWriter, SlotKind, place_end};
//! use segment::{Family, LogId, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::memory("example");
//! let log = LogId::fresh(NodeId(1), 1, 1);
//! let mut writer =
//!     SeqLogWriter::create(store.clone(), Family::Wal, log, &OpenSlot::default()).await?;
//! writer.append(SlotKind::Data, vec!["acknowledged".into()]).await?;
//!
//! // Anybody may end the log; whatever its writer does now is refused.
//! place_end(&store, Family::Wal, &log, &EndRecord::default()).await?;
//! assert!(writer.append(SlotKind::Data, vec!["too late".into()]).await.is_err());
//! # Ok(())
//! # }
//! ```

pub mod store;

pub mod keys;
pub mod probe;
pub mod token;

pub mod ceiling;
pub mod generation;
pub mod log_id;
pub mod seqlog;

pub mod extent;
pub mod object;
pub mod seal;

pub mod envelope;
pub mod index;
pub mod manifest;
pub mod plan;
pub mod producers;
pub mod transactions;

pub mod repair;
pub mod scrub;

#[cfg(any(test, feature = "test-support"))]
pub mod faulty;

#[cfg(test)]
mod hex;

pub use extent::{Extent, Location};
pub use keys::{Family, Key};
pub use log_id::LogId;
pub use manifest::{Manifest, ManifestStore, ManifestVersion};
pub use plan::Plan;
pub use probe::{ProbeError, ProbeSize, probe};
pub use seal::Keyring;
pub use store::{Store, StoreConfig, StoreError};
pub use transactions::{AbortedTransaction, TransactionHistory};
