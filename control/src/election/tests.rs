//! One leader at a time, as far as leases can tell.

use metadata::MemoryStore;

use super::*;

const TTL: Duration = Duration::from_secs(6);
const SOON: Duration = Duration::from_secs(60);

struct Cluster {
    metadata: Arc<MemoryStore>,
    view: ClusterView,
    drain: Drain,
}

impl Cluster {
    async fn new() -> Self {
        let metadata = Arc::new(MemoryStore::new());
        let drain = Drain::new();
        let store: Arc<MemoryStore> = Arc::clone(&metadata);
        let view = ClusterView::start(store, &drain).await.unwrap();
        Self { metadata, view, drain }
    }

    /// A candidate in a process of its own.
    fn candidate(&self, control_id: &str) -> (Candidate, Drain) {
        let drain = self.drain.child();
        let metadata: Arc<MemoryStore> = Arc::clone(&self.metadata);
        let candidate = Candidate {
            metadata,
            view: self.view.clone(),
            record: LeaderRecord {
                control_id: control_id.to_owned(),
                address: format!("{control_id}:1"),
                admin: String::new(),
            },
            ttl: TTL,
            drain: drain.clone(),
            has_led: false,
        };
        (candidate, drain)
    }
}

/// Wins, or does not within a time in which it would.
async fn wins(candidate: &mut Candidate) -> Option<Leadership> {
    timeout(SOON, candidate.win()).await.ok()
}

#[tokio::test(start_paused = true)]
async fn the_second_waits_until_the_first_resigns() {
    let cluster = Cluster::new().await;
    let (mut a, _) = cluster.candidate("a");
    let (mut b, _) = cluster.candidate("b");
    let first = wins(&mut a).await.expect("nobody else stands");
    assert!(wins(&mut b).await.is_none(), "the lease is kept");
    let first_term = first.term;
    first.resign(&*cluster.metadata).await;
    let second = wins(&mut b).await.expect("the first resigned");
    assert!(second.term > first_term);
    cluster.view.refresh().await.unwrap();
    assert_eq!(cluster.view.leader().unwrap().control_id, "b");
}

#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_succeeded_when_its_lease_ends() {
    let cluster = Cluster::new().await;
    let (a, _) = cluster.candidate("a");
    // Elected, and not kept alive by anybody.
    let dead = a.try_win().await.unwrap().expect("nobody else stands");
    let (mut b, _) = cluster.candidate("b");
    let living = wins(&mut b).await.expect("the lease ended");
    assert!(living.term > dead.term);
}

#[tokio::test(start_paused = true)]
async fn a_leader_learns_that_its_lease_is_gone() {
    let cluster = Cluster::new().await;
    let (mut a, _) = cluster.candidate("a");
    let leadership = wins(&mut a).await.unwrap();
    cluster.metadata.revoke_lease(leadership.lease).await.unwrap();
    timeout(SOON, leadership.lost()).await.expect("it is told");
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_wait_for_its_own_lease() {
    let cluster = Cluster::new().await;
    let (a, _) = cluster.candidate("a");
    let dead = a.try_win().await.unwrap().expect("nobody else stands");
    let (again, _) = cluster.candidate("a");
    let leadership = again.try_win().await.unwrap().expect("at once");
    assert!(leadership.term > dead.term);
}

#[tokio::test(start_paused = true)]
async fn a_namesake_of_a_living_leader_does_not_evict_for_ever() {
    let cluster = Cluster::new().await;
    let (mut a, _) = cluster.candidate("a");
    let first = wins(&mut a).await.unwrap();
    let (mut twin, _) = cluster.candidate("a");
    let second = wins(&mut twin).await.expect("taken for a restart");
    timeout(SOON, first.lost()).await.expect_err("its lease lives, its key does not");
    // The first has led and so knows that this is not its own past.
    assert!(a.try_win().await.unwrap().is_none());
    drop(second);
}
