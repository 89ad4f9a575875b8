//! One storage node in this process, driven through its hop handler: what a gateway sees.

#[path = "node/configs.rs"]
mod configs;
#[path = "node/coordinator.rs"]
mod coordinator;
#[path = "node/crash.rs"]
mod crash;
#[path = "node/deleting.rs"]
mod deleting;
#[path = "node/failover.rs"]
mod failover;
#[path = "node/fetching.rs"]
mod fetching;
#[path = "node/harness.rs"]
mod harness;
#[path = "node/moves.rs"]
mod moves;
#[path = "node/object_front.rs"]
mod object_front;
#[path = "node/ownership.rs"]
mod ownership;
#[path = "node/producing.rs"]
mod producing;
#[path = "node/rollback.rs"]
mod rollback;
#[path = "node/rolling_over.rs"]
mod rolling_over;
#[path = "node/shared_volume.rs"]
mod shared_volume;
#[path = "node/taken_over.rs"]
mod taken_over;
#[path = "node/tiers.rs"]
mod tiers;
#[path = "node/transactions.rs"]
mod transactions;
