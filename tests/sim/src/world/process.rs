//! One process: what every role of the binary does before its own work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use hop::{ClusterSecret, Peers, Role};
use metadata::{ClusterView, MetadataStore};
use parking_lot::Mutex;
use process::{Clock, Drain};
use segment::Store;

use super::World;
use crate::network;

/// Simulated time begins here, so that no timestamp is near zero: 2026-01-01.
const EPOCH_MS: i64 = 1_767_225_600_000;
/// How long a role waits for control to have founded the cluster.
const FOUNDING_WAIT: Duration = Duration::from_secs(60);

/// One host's view of the world.
#[derive(Clone)]
pub struct Place {
    pub(super) world: World,
    pub(super) host: String,
}

/// A role's place in its cluster.
pub(super) struct Member {
    pub(super) metadata: Arc<dyn MetadataStore>,
    pub(super) view: ClusterView,
    pub(super) peers: Peers,
}

/// Hosts whose process ended by itself, and when that was.
#[derive(Clone, Default)]
pub struct Exits(Arc<Mutex<BTreeMap<String, Duration>>>);

impl Exits {
    /// The hosts whose process ended at least `pause` before `now`; they are forgotten.
    pub fn due(&self, now: Duration, pause: Duration) -> Vec<String> {
        let mut exits = self.0.lock();
        let due: Vec<String> = exits
            .iter()
            .filter(|(_, at)| **at + pause <= now)
            .map(|(host, _)| host.clone())
            .collect();
        for host in &due {
            exits.remove(host);
        }
        due
    }

    /// Forgets a host: somebody else starts it.
    pub fn forget(&self, host: &str) {
        self.0.lock().remove(host);
    }
}

/// What the clock of a client shows: no fault sets it.
pub fn client_now_ms() -> i64 {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default().as_millis();
    EPOCH_MS + i64::try_from(elapsed).expect("a run lasts minutes")
}

// === impl Place ===

impl Place {
    /// Its wall clock, which the nemesis may set.
    pub(super) fn clock(&self) -> Clock {
        let (faults, host) = (self.world.faults.clone(), self.host.clone());
        Clock::over(move || client_now_ms() + faults.clock_off_ms(&host))
    }

    pub(super) fn store(&self, role: &'static str) -> Store {
        Store::over(Arc::new(self.world.bucket.seen_from(&self.host)), role)
    }

    pub(super) fn metadata(&self) -> Arc<dyn MetadataStore> {
        Arc::new(self.world.etcd.seen_from(&self.host))
    }

    /// Where others reach this host's role.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, super::HOP_PORT)
    }

    /// Joins the cluster that control founded.
    pub(super) async fn join(&self, role: Role, plumbing: &Drain) -> Result<Member> {
        let metadata = self.metadata();
        let view = ClusterView::start(Arc::clone(&metadata), plumbing).await?;
        let Some(cluster) = view.wait_for_cluster(FOUNDING_WAIT).await else {
            bail!("no cluster in the metadata store");
        };
        let secret = ClusterSecret::new(&cluster.secret);
        let peers = Peers::on(network::simulated(), role, secret, plumbing.clone());
        Ok(Member { metadata, view, peers })
    }

    /// The process is over: nothing of it runs on until the driver starts it again.
    pub(super) async fn exited(&self, ended: Result<()>) {
        let how = ended.err().map_or_else(|| "in order".to_owned(), |error| format!("{error:#}"));
        self.world.trace.line(format_args!("{} exited: {how}", self.host));
        let now = turmoil::sim_elapsed().unwrap_or_default();
        self.world.exits.0.lock().insert(self.host.clone(), now);
        std::future::pending::<()>().await;
    }
}
