//! A whole gateway over loopback sockets, spoken to in Kafka's own bytes.
//!
//! Behind it stand fakes for storage nodes, cold readers and control, and a real metadata store in
//! memory. What the fakes saw and when they answer is in the tests' hands, so no test depends on
//! how long anything takes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod abuse;
mod acls;
mod admin;
mod configs;
mod drain;
mod fetch;
mod fetch_cold;
mod groups;
mod hostile;
mod listeners;
mod metadata;
mod pipelining;
mod placement;
mod produce;
mod quotas;
mod recompressing;
mod sasl;
mod sets;
mod takeover;
mod tenants;
mod times;
mod tls;
mod versions;
