//! The harness: a cluster of fakes, gateways in front of it, and clients that speak raw Kafka.

mod client;
mod cluster;
mod control;
mod gate;
mod group_coordinator;
mod log;
mod node;
mod reader;
mod store;
mod tls;
mod transaction_coordinator;

pub(crate) use self::client::{Client, frame, id, name, raw_frame, text};
pub(crate) use self::cluster::{Cluster, EPOCH, Gateway};
pub(crate) use self::log::{batch, batch_at, values};
pub(crate) use self::node::Seen;
pub(crate) use self::store::Reach;
pub(crate) use self::tls::{Authority, Issued, TlsClient};

/// Longest a test waits for anything: only a failing test ever waits that long.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never: {what}"));
}
