//! Scenarios of consumer groups and transactions, told in the words of `dsl`.

mod dsl;

mod administration;
mod commits;
mod consumer;
mod ending;
mod equivalence;
mod expiry;
mod failover;
mod initial_rebalance;
mod joining;
mod leaving;
mod limits;
mod sessions;
mod static_members;
mod syncing;
mod tenants;
mod transactional_ids;
mod transactional_offsets;
mod transactions;
