//! A compactor and a storage node in this process, on one bucket: what is rewritten and removed,
//! and that nothing is lost by it.

#[expect(dead_code, reason = "shared with the node's own tests, which use all of it")]
#[path = "../../storage-node/tests/node/harness.rs"]
mod harness;

#[expect(dead_code, reason = "shared with the node's own tests, which use all of it")]
#[path = "../../storage-node/tests/node/coordinator.rs"]
mod coordinator;

#[path = "compaction/cleaning.rs"]
mod cleaning;
#[path = "compaction/collecting.rs"]
mod collecting;
#[path = "compaction/crashing.rs"]
mod crashing;
#[path = "compaction/rewriting.rs"]
mod rewriting;
#[path = "compaction/support.rs"]
mod support;
#[path = "compaction/transactions.rs"]
mod transactions;
