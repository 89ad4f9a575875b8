//! The switcher against a store and a zone in memory: what is decided once stays decided, through
//! failures of DNS and changes of leaders.

use std::net::IpAddr;

use metadata::gateway_sets::Finding;
use metadata::keys::vantage_point;
use metadata::{MemoryStore, MetadataStore};
use tokio::sync::oneshot;

use super::*;
use crate::dns::config::GatewaySetConfig;
use crate::dns::conformance::{FakeZone, content};
use crate::dns::orders::Refused;

struct World {
    store: Arc<dyn MetadataStore>,
    zone: Arc<FakeZone>,
    clock: Clock,
}

fn config() -> GatewaySetsConfig {
    let set = |name: &str, last: u8| GatewaySetConfig {
        name: name.to_owned(),
        addresses: vec![IpAddr::from([192, 0, 2, last])],
        brokers: BTreeMap::new(),
        probe: vec!["unused:1".to_owned()],
    };
    GatewaySetsConfig {
        name: "kafka.drill.test.".to_owned(),
        sets: vec![set("primary", 1), set("standby", 2)],
        fail_after: Duration::from_secs(3),
        ..GatewaySetsConfig::default()
    }
}

impl World {
    fn new() -> Self {
        let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
        Self { store, zone: Arc::default(), clock: Clock::manual(1_000_000) }
    }

    /// A process that leads from now on.
    async fn leader(&self) -> Switcher {
        let store = &self.store;
        assert!(store.txn(Txn::new().delete(Key::Leader)).await.unwrap().is_committed());
        let led = store.txn(Txn::new().put(Key::Leader, "somebody")).await.unwrap();
        let metadata::TxnOutcome::Committed { revision } = led else { panic!("{led:?}") };
        Switcher::new(Parts {
            config: config(),
            guard: Guard::new(Arc::clone(store), revision),
            clock: self.clock.clone(),
            provider: Arc::clone(&self.zone) as Arc<dyn DnsProvider>,
            board: Board::default(),
            orders: mpsc::channel(1).1,
        })
    }

    async fn found(&self, primary: bool, standby: bool) {
        for vantage in ["v1", "v2", "v3"] {
            let finding = |serves| Finding { serves, problem: String::new() };
            let sets = [("primary", primary), ("standby", standby)];
            let sets = sets.map(|(set, serves)| (set.to_owned(), finding(serves))).into();
            let findings = Findings { zone: String::new(), sets };
            let txn = Txn::new().put(vantage_point(vantage), findings.encode());
            assert!(self.store.txn(txn).await.unwrap().is_committed());
        }
    }

    async fn active(&self) -> ActiveSet {
        let entry = self.store.get(&Key::ActiveSet.to_string()).await.unwrap().unwrap();
        ActiveSet::decode(&entry.value).unwrap()
    }

    /// The active set's name and generation, whether it is applied, and the same of DNS.
    async fn state(&self) -> (String, u64, bool, Option<(String, u64)>) {
        let active = self.active().await;
        let dns = self.zone.content().map(|it| (it.stamp.set, it.stamp.generation));
        (active.set, active.generation, active.applied, dns)
    }
}

/// Looks every second for as long; errors are those of a moment.
async fn look(switcher: &mut Switcher, seconds: u64) {
    for _ in 0..seconds {
        drop(switcher.turn(None).await);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

fn named(set: &str) -> Option<(String, u64)> {
    let generation = if set == "primary" { 1 } else { 2 };
    Some((set.to_owned(), generation))
}

async fn ask(
    switcher: &mut Switcher,
    cause: Cause,
    force: bool,
    dry_run: bool,
) -> Result<ActiveSet, Refused> {
    let (told, hears) = oneshot::channel();
    let order = Order { to: None, cause, force, dry_run };
    drop(switcher.turn(Some(Asked { order, told })).await);
    hears.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_preferred_set_is_the_first_and_a_failing_one_is_left_once() {
    let world = World::new();
    let mut leader = world.leader().await;
    world.found(true, true).await;
    look(&mut leader, 3).await;
    assert_eq!(world.state().await, ("primary".into(), 1, true, named("primary")));
    world.found(false, true).await;
    look(&mut leader, 10).await;
    assert_eq!(world.state().await, ("standby".into(), 2, true, named("standby")));
    assert_eq!(
        world.zone.content().unwrap().names["kafka.drill.test."],
        [IpAddr::from([192, 0, 2, 2])]
    );
    // It comes back, and then the standby fails: nobody goes back by himself.
    world.found(true, false).await;
    look(&mut leader, 300).await;
    assert_eq!(world.state().await, ("standby".into(), 2, true, named("standby")));
    let back = ask(&mut leader, Cause::Failback, false, false).await.unwrap();
    assert_eq!((back.set.as_str(), back.generation, back.barred.len()), ("primary", 3, 0));
    assert_eq!(world.zone.content().unwrap().stamp.generation, 3);
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_dns_did_not_take_is_carried_out_by_the_next_leader() {
    let world = World::new();
    let mut first = world.leader().await;
    world.found(true, true).await;
    look(&mut first, 3).await;
    world.found(false, true).await;
    *world.zone.away.lock() = Some(DnsError::Unavailable("gone".to_owned()));
    look(&mut first, 10).await;
    assert_eq!(world.state().await, ("standby".into(), 2, false, named("primary")));
    assert!(first.parts.board.read().unwrap().dns_problem.unwrap().contains("gone"));
    let mut second = world.leader().await;
    *world.zone.away.lock() = None;
    look(&mut second, 1).await;
    assert_eq!(world.state().await, ("standby".into(), 2, true, named("standby")));
}

#[tokio::test(start_paused = true)]
async fn a_leader_of_yesterday_decides_nothing() {
    let world = World::new();
    let mut first = world.leader().await;
    world.found(true, true).await;
    look(&mut first, 3).await;
    let _second = world.leader().await;
    world.found(false, true).await;
    look(&mut first, 30).await;
    assert_eq!(world.state().await, ("primary".into(), 1, true, named("primary")));
    assert_eq!(ask(&mut first, Cause::Failover, true, false).await, Err(Refused::NotLeading));
}

/// Goal: it has decided and looked at DNS, and is held up there until the next leader has switched.
#[tokio::test(start_paused = true)]
async fn a_leader_of_yesterday_does_not_end_its_switch_over_the_next_one() {
    let world = World::new();
    let mut first = world.leader().await;
    world.found(true, true).await;
    look(&mut first, 3).await;
    world.found(false, true).await;
    *world.zone.meanwhile.lock() = Some(content(3, "primary", &["192.0.2.1"]));
    while world.active().await.generation == 1 {
        look(&mut first, 1).await;
    }
    let mut second = world.leader().await;
    assert_eq!(world.zone.content().unwrap().stamp.generation, 3, "R55");
    look(&mut first, 30).await;
    assert_eq!(world.active().await.generation, 2, "R11: it may not even say what it found");
    look(&mut second, 1).await;
    let third = Some(("primary".to_owned(), 3));
    assert_eq!(world.state().await, ("primary".into(), 3, true, third));
}

#[tokio::test(start_paused = true)]
async fn dns_that_another_cluster_changed_is_followed() {
    let world = World::new();
    let mut leader = world.leader().await;
    world.found(true, true).await;
    look(&mut leader, 3).await;
    world.zone.set(content(7, "other-site", &["192.0.2.7"]));
    look(&mut leader, 60).await;
    let other = Some(("other-site".to_owned(), 7));
    assert_eq!(world.state().await, ("other-site".into(), 7, true, other.clone()));
    // Also when the metadata was lost: the name is not taken back.
    let lost = world.store.txn(Txn::new().delete(Key::ActiveSet)).await.unwrap();
    assert!(lost.is_committed());
    let mut leader = world.leader().await;
    look(&mut leader, 60).await;
    assert_eq!(world.state().await, ("other-site".into(), 7, true, other));
    let taken = ask(&mut leader, Cause::Failback, false, false).await.unwrap();
    assert_eq!((taken.set.as_str(), taken.generation), ("primary", 8));
    assert_eq!(world.zone.content().unwrap().stamp.set, "primary");
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_told_what_would_be_and_what_may_not_be() {
    let world = World::new();
    let mut leader = world.leader().await;
    world.found(true, true).await;
    look(&mut leader, 3).await;
    let dry = ask(&mut leader, Cause::Failover, false, true).await.unwrap();
    assert_eq!((dry.set.as_str(), dry.generation), ("standby", 2));
    assert_eq!(world.state().await, ("primary".into(), 1, true, named("primary")));
    let there = ask(&mut leader, Cause::Failback, false, false).await;
    assert_eq!(there, Err(Refused::There("primary".to_owned())));
    world.found(true, false).await;
    look(&mut leader, 1).await;
    assert_eq!(ask(&mut leader, Cause::Failover, false, false).await, Err(Refused::Nowhere));
}
