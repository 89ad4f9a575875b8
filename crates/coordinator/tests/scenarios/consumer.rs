//! Groups of the consumer protocol (KIP-848).

mod admin;
mod failover;
mod fencing;
mod joining;
mod migration;
mod offsets;
mod protocols;
mod statics;
mod subscriptions;
