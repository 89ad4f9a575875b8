//! What coordinators of transactions need of the rest of the cluster, and give to it.
//!
//! ```text
//!   shard ── markers of an outcome ──▶ markers ── WriteTxnMarkers ──▶ owners of the partitions
//!   TxnOffsetCommit ─▶ verification ── AddTxnPartitions ──▶ the transaction's coordinator
//! ```

pub(super) mod markers;
pub(super) mod neighbours;
pub(super) mod verification;
