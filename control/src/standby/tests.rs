//! Two sites on one bucket: what is promoted, what is fenced, and what may break off or wake up in
//! between.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use metadata::{
    MemoryStore, MetadataStore, Txn,
    keys::Key,
    model::{Assignment, ClusterRecord, NodeRecord, NodeState, Record, StandbyRecord, TopicRecord},
};
use parking_lot::Mutex;
use process::Clock;
use protocol::batch::BatchBuilder;
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use segment::{
    Family, LogId, Manifest, ManifestStore, Store,
    ceiling::{self, Gap},
    generation, keys,
    object::ObjectBuilder,
    scrub::{ScrubOptions, scrub},
    seqlog::{EndRecord, OpenSlot, SeqLogReader, SeqLogWriter, SlotKind, place_end},
};

use super::*;
use crate::{
    BootstrapError, Config, bootstrap,
    meta_log::{MetaLog, MetaLogError, MetaRecord},
};

const SOON: Duration = Duration::from_secs(60);

/// Ends a front and its log as a storage node does, when there is nothing to upload.
#[derive(Default)]
struct Ends {
    store: Mutex<Option<Store>>,
    ended: Mutex<BTreeSet<LogId>>,
    refused: Mutex<BTreeSet<NodeId>>,
}

impl Ender for Ends {
    fn end(&self, log: LogId) -> BoxFuture<'_, Result<(), String>> {
        async move {
            if self.refused.lock().contains(&log.node) {
                return Err("as told".to_owned());
            }
            let store = self.store.lock().clone().expect("is set");
            for family in [Family::Wal, Family::Data] {
                place_end(&store, family, &log, &EndRecord::default()).await.unwrap();
            }
            self.ended.lock().insert(log);
            Ok(())
        }
        .boxed()
    }
}

/// A site without a cluster.
struct Site {
    metadata: Arc<MemoryStore>,
    ender: Arc<Ends>,
    promotion: Promotion,
}

/// A bucket with the cluster of another site.
struct Bucket {
    store: Store,
    /// The other site's metadata store.
    metadata: Arc<MemoryStore>,
    /// Its control leader.
    leader: MetaLog,
    topic: TopicRecord,
}

/// A node of that site which acknowledges into the bucket.
struct Node {
    log: LogId,
    front: SeqLogWriter,
}

impl Bucket {
    async fn new() -> Self {
        let (store, metadata) = (Store::memory("control"), Arc::new(MemoryStore::new()));
        bootstrap(&Config::new("a"), &Clock::manual(1), &*metadata, &store).await.unwrap();
        let (mut leader, _) = MetaLog::open(&store, 1).await.unwrap();
        leader.append(&MetaRecord::Leader { control_id: "a".to_owned() }).await.unwrap();
        let topic = topic("orders");
        leader.append(&MetaRecord::TopicsCreated(vec![topic.clone()])).await.unwrap();
        Self { store, metadata, leader, topic }
    }

    fn site(&self, name: &str) -> Site {
        let (metadata, ender) = (Arc::new(MemoryStore::new()), Arc::new(Ends::default()));
        *ender.store.lock() = Some(self.store.clone());
        let promotion = Promotion {
            metadata: Arc::clone(&metadata) as _,
            store: self.store.clone(),
            site: name.to_owned(),
            ender: Arc::clone(&ender) as _,
            accept_loss: false,
        };
        Site { metadata, ender, promotion }
    }

    async fn node(&self, id: i32, generation: u32, incarnation: u64, front: &str) -> Node {
        let log = LogId::fresh(NodeId(id), generation, incarnation);
        let front = Bytes::copy_from_slice(front.as_bytes());
        let open = OpenSlot { front, ..OpenSlot::default() };
        let store = &self.store;
        SeqLogWriter::create(store.clone(), Family::Data, log, &open).await.unwrap();
        let front = SeqLogWriter::create(store.clone(), Family::Wal, log, &open).await.unwrap();
        Node { log, front }
    }

    async fn claim(&self, index: i32, epoch: i32, node: &Node) {
        let partition = PartitionId::new(self.topic.tenant, self.topic.id, index);
        let manifest = Manifest::create(partition, epoch, node.log, 1);
        ManifestStore::new(self.store.clone()).commit(&manifest, None).await.unwrap();
    }

    async fn has_ended(&self, node: &Node) -> bool {
        let reader = SeqLogReader::new(self.store.clone(), Family::Data, node.log);
        reader.find_end().await.unwrap().is_some()
    }

    /// A leader of the first site that comes now.
    async fn starts_again(&self) -> Result<ClusterRecord, BootstrapError> {
        bootstrap(&Config::new("a"), &Clock::manual(1), &*self.metadata, &self.store).await
    }
}

impl Node {
    async fn acknowledges(&mut self) -> bool {
        self.front.append(SlotKind::Data, vec![Bytes::from_static(b"batch")]).await.is_ok()
    }
}

impl Site {
    async fn promote(&self) -> Result<Promoted, PromoteError> {
        self.promotion.run(|_| {}).await
    }

    /// The first steps of a promotion that breaks off then.
    async fn promote_in_part(&self, steps: usize) {
        let generation = self.promotion.look().await.unwrap().generation;
        if steps == 0 {
            return;
        }
        let taken = self.promotion.take_over(generation).await.unwrap();
        if steps > 1 {
            self.promotion.fence(taken.generation).await.unwrap();
        }
        if steps > 2 {
            let (survey, _) =
                self.promotion.end_all(&taken.catalogue, taken.generation, &|_| {}).await.unwrap();
            if steps > 3 {
                crate::rebuild::fill(&*self.metadata, &taken.catalogue, &survey).await.unwrap();
                let broke_off = Txn::new().delete(Key::Cluster);
                assert!(self.metadata.txn(broke_off).await.unwrap().is_committed());
            }
        }
    }

    async fn read<R: Record>(&self, key: Key) -> Option<R> {
        let entry = self.metadata.get(&key.to_string()).await.unwrap();
        entry.map(|entry| R::decode(&entry.value).unwrap())
    }
}

fn topic(name: &str) -> TopicRecord {
    TopicRecord {
        tenant: TenantId(1),
        id: TopicId::random(),
        name: name.to_owned(),
        partitions: 3,
        configs: std::collections::BTreeMap::new(),
        internal: false,
        created_ms: 7,
    }
}

#[tokio::test]
async fn a_promotion_ends_all_and_brings_the_cluster_along() {
    let bucket = Bucket::new().await;
    let mut owner = bucket.node(1, 1, 4, "object").await;
    let mut idle = bucket.node(2, 1, 1, "object").await;
    let gone = bucket.node(3, 1, 9, "object").await;
    bucket.claim(0, 8, &owner).await;
    bucket.claim(1, 3, &gone).await;
    let site = bucket.site("b");
    site.ender.end(gone.log).await.unwrap();
    assert!(owner.acknowledges().await);

    let prospect = site.promotion.look().await.unwrap();
    assert_eq!((prospect.generation, prospect.open, prospect.at_risk.len()), (1, 2, 0));
    assert_eq!(prospect.slots, 4, "OPEN, Founded, Leader, Topics: a look writes nothing");
    let promoted = site.promote().await.unwrap();
    assert_eq!((promoted.generation, promoted.topics, promoted.logs), (2, 2, 2));
    assert!(!owner.acknowledges().await && !idle.acknowledges().await);

    let record: ClusterRecord = site.read(Key::Cluster).await.unwrap();
    assert_eq!((record.generation, record.retired), (2, false));
    let assignment = site.read::<Assignment>(Key::Partition(bucket.topic.id, 0)).await.unwrap();
    assert_eq!(assignment, Assignment { node: NodeId(1), epoch: 8 }, "epochs never go back");
    let owner: NodeRecord = site.read(Key::Node(NodeId(1))).await.unwrap();
    assert_eq!(owner.state, NodeState::Ended, "control may give its partitions away");
    // The old site's control finds out at its start.
    let refused = bucket.starts_again().await.unwrap_err();
    assert!(matches!(refused, BootstrapError::TakenOver { generation: 2, known: 1, .. }));
    assert!(refused.to_string().contains("by site `b`"), "{refused}");
    let entry = bucket.metadata.get(&Key::Cluster.to_string()).await.unwrap().unwrap();
    assert!(ClusterRecord::decode(&entry.value).unwrap().retired, "nobody stays behind");
    // And the new one starts.
    let started =
        bootstrap(&Config::new("b"), &Clock::manual(1), &*site.metadata, &bucket.store).await;
    assert_eq!(started.unwrap().generation, 2);
}

#[tokio::test]
async fn a_promotion_that_broke_off_goes_on_in_the_same_generation() {
    for steps in 0..=4 {
        let bucket = Bucket::new().await;
        let mut owner = bucket.node(1, 1, 4, "object").await;
        bucket.claim(0, 8, &owner).await;
        let site = bucket.site("b");
        site.promote_in_part(steps).await;
        let promoted = site.promote().await.unwrap();
        assert_eq!(promoted.generation, 2, "after {steps} steps");
        assert!(!owner.acknowledges().await, "after {steps} steps");
        assert_eq!(site.read::<ClusterRecord>(Key::Cluster).await.unwrap().generation, 2);
        assert!(site.read::<TopicRecord>(Key::Topic(TenantId(1), bucket.topic.id)).await.is_some());
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_ended_stops_the_promotion_before_anything_is_served() {
    let bucket = Bucket::new().await;
    let (_one, two) = (bucket.node(1, 1, 1, "object").await, bucket.node(2, 1, 1, "object").await);
    let site = bucket.site("b");
    site.ender.refused.lock().insert(two.log.node);
    let refused = site.promote().await.unwrap_err();
    assert!(matches!(refused, PromoteError::NotEnded { log, .. } if log == two.log), "{refused}");
    assert_eq!(site.read::<ClusterRecord>(Key::Cluster).await, None);
    site.ender.refused.lock().clear();
    assert_eq!(site.promote().await.unwrap().generation, 2);
    assert!(bucket.has_ended(&two).await);
}

#[tokio::test]
async fn the_old_leader_may_wake_up_between_any_two_steps() {
    for steps in 0..=4 {
        let mut bucket = Bucket::new().await;
        let site = bucket.site("b");
        site.promote_in_part(steps).await;
        let late = topic("late");
        let woken = bucket.leader.append(&MetaRecord::TopicsCreated(vec![late.clone()])).await;
        site.promote().await.unwrap();
        let shown = site.read::<TopicRecord>(Key::Topic(late.tenant, late.id)).await;
        match steps {
            0 => assert!(woken.is_ok() && shown == Some(late), "before the takeover it counts"),
            _ => {
                assert!(matches!(woken, Err(MetaLogError::Overtaken)), "after {steps}: {woken:?}");
                assert_eq!(shown, None);
            }
        }
    }
}

#[tokio::test]
async fn nodes_of_the_old_site_may_wake_up_between_any_two_steps() {
    for steps in 0..=4 {
        let bucket = Bucket::new().await;
        let mut paused = bucket.node(1, 1, 1, "object").await;
        bucket.claim(0, 1, &paused).await;
        let site = bucket.site("b");
        site.promote_in_part(steps).await;
        assert_eq!(paused.acknowledges().await, steps < 3, "after {steps} steps");
        // One that starts: its log is there before it looks whether it may begin.
        let mut fresh = bucket.node(2, 1, 1, "object").await;
        let begins = !generation::is_over(&bucket.store, 1).await.unwrap();
        assert_eq!(begins, steps < 2, "after {steps} steps");
        site.promote().await.unwrap();
        assert!(!paused.acknowledges().await, "after {steps} steps");
        assert!(!begins || !fresh.acknowledges().await, "after {steps} steps");
    }
}

#[tokio::test]
async fn of_two_sites_that_promote_at_once_one_does() {
    let bucket = Bucket::new().await;
    let (b, c) = (bucket.site("b"), bucket.site("c"));
    let seen = b.promotion.look().await.unwrap().generation;
    assert_eq!(c.promotion.look().await.unwrap().generation, seen);
    b.promotion.take_over(seen).await.unwrap();
    let refused = c.promotion.take_over(seen).await.err().unwrap();
    assert!(matches!(refused, PromoteError::Overtaken { generation: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("site `b`"), "{refused}");
    assert_eq!(b.promote().await.unwrap().generation, 2);
    // A site that promotes after that takes the bucket from the other one, as told.
    assert_eq!(c.promote().await.unwrap().generation, 3);
}

#[tokio::test]
async fn a_disk_of_the_other_site_is_not_given_up() {
    for front in ["disk:/var/wal", "shared-disk:/mnt/wal", "tape:/dev/st0"] {
        let bucket = Bucket::new().await;
        let (disk, object) =
            (bucket.node(1, 1, 4, front).await, bucket.node(2, 1, 1, "object").await);
        bucket.claim(0, 8, &disk).await;
        bucket.claim(2, 1, &disk).await;
        bucket.claim(1, 1, &object).await;
        let site = bucket.site("b");
        let PromoteError::AtRisk(logs) = site.promote().await.unwrap_err() else {
            panic!("something is at risk")
        };
        let [log] = logs.as_slice() else { panic!("{logs:?}") };
        assert_eq!((log.node, log.front.as_str()), (NodeId(1), front));
        let risks = log.partitions.iter().map(|risk| (risk.topic.as_str(), risk.partition));
        assert!(risks.eq([("orders", 0), ("orders", 2)]));
        // Nothing was written, and the other site goes on.
        assert_eq!(site.promotion.look().await.unwrap().generation, 1);
        assert!(!bucket.has_ended(&object).await);
        // Stopped in order, it has uploaded everything.
        place_end(&bucket.store, Family::Data, &disk.log, &EndRecord::default()).await.unwrap();
        assert_eq!(site.promote().await.unwrap().generation, 2, "{front}");
    }
}

#[tokio::test]
async fn a_site_that_served_and_lost_its_metadata_begins_another_generation() {
    let bucket = Bucket::new().await;
    let site = bucket.site("b");
    site.promote().await.unwrap();
    let (mut leader, _) = MetaLog::open(&bucket.store, 5).await.unwrap();
    leader.append(&MetaRecord::Leader { control_id: "b".to_owned() }).await.unwrap();
    let mut node = bucket.node(1, 2, 1, "object").await;
    let empty = bucket.site("b");
    assert_eq!(empty.promote().await.unwrap().generation, 3);
    assert!(!node.acknowledges().await, "its nodes join again");
}

#[tokio::test(start_paused = true)]
async fn a_standby_follows_the_log_until_it_is_promoted() {
    let mut bucket = Bucket::new().await;
    let site = bucket.site("b");
    let config = StandbyConfig::new("b");
    let metadata: Arc<dyn MetadataStore> = Arc::clone(&site.metadata) as _;
    let (caught_up, mut is_caught_up) = tokio::sync::oneshot::channel();
    let following =
        stand_by(&config, &metadata, &bucket.store, || caught_up.send(()).unwrap()).fuse();
    let rest = async {
        tokio::time::sleep(config.poll * 3).await;
        assert!(is_caught_up.try_recv().is_ok());
        let said: StandbyRecord = site.read(Key::Standby).await.unwrap();
        assert_eq!(said, StandbyRecord { site: "b".to_owned(), next_slot: 4 });
        bucket.leader.append(&MetaRecord::TopicsCreated(vec![topic("new")])).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let said: StandbyRecord = site.read(Key::Standby).await.unwrap();
        assert_eq!(said.next_slot, 5);
        site.promote().await.unwrap();
    };
    let (followed, ()) = tokio::time::timeout(SOON, futures::future::join(following, rest))
        .await
        .expect("it notices its promotion");
    assert!(followed.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_taken_over_becomes_a_standby_and_returns() {
    let bucket = Bucket::new().await;
    let (b, a) = (bucket.site("b"), bucket.site("a"));
    let old: Arc<dyn MetadataStore> = Arc::clone(&bucket.metadata) as _;
    let refused = demote(&old, &bucket.store, SOON).await;
    assert!(matches!(refused, Err(DemoteError::Serves(1))), "{refused:?}");
    b.promote().await.unwrap();

    let lease = old.grant_lease(SOON * 10).await.unwrap();
    let gateway = Txn::new().put_leased("g/1", "", lease);
    assert!(old.txn(gateway).await.unwrap().is_committed());
    let vantage = metadata::keys::vantage_point("site-c");
    let looked = old.txn(Txn::new().put(&vantage, "")).await.unwrap();
    assert!(looked.is_committed());
    let refused = demote(&old, &bucket.store, SOON).await;
    assert!(matches!(&refused, Err(DemoteError::StillUp { keys }) if keys == "g/1"), "{refused:?}");
    let entry = old.get(&Key::Cluster.to_string()).await.unwrap().unwrap();
    assert!(ClusterRecord::decode(&entry.value).unwrap().retired, "its processes are told");
    old.revoke_lease(lease).await.unwrap();
    let demoted = demote(&old, &bucket.store, SOON).await.unwrap();
    assert_eq!((demoted.generation, demoted.by), (1, 2));
    let left: Vec<_> = old.list("").await.unwrap().entries.into_iter().map(|it| it.key).collect();
    assert_eq!(left, [vantage], "it looks on, and would not say again what it has said");
    let again = demote(&old, &bucket.store, SOON).await;
    assert!(matches!(again, Err(DemoteError::Empty)), "{again:?}");

    // Back, while the other one lives.
    let mut node = bucket.node(1, 2, 1, "object").await;
    let back = Promotion { metadata: Arc::clone(&old), ..a.promotion };
    assert_eq!(back.run(|_| {}).await.unwrap().generation, 3);
    assert!(!node.acknowledges().await);
    assert_eq!(bucket.starts_again().await.unwrap().generation, 3);
}

/// A batch of one record at this offset.
fn batch(offset: i64, epoch: i32) -> Bytes {
    BatchBuilder::new().at(offset, epoch).record(1_000, None, Some(b"value")).build()
}

#[tokio::test]
async fn what_is_given_up_is_named_and_its_offsets_are_not_used_again() {
    let bucket = Bucket::new().await;
    let log = LogId::fresh(NodeId(1), 1, 4);
    let open = OpenSlot { front: Bytes::from_static(b"disk:/var/wal"), ..OpenSlot::default() };
    let store = &bucket.store;
    let mut disk = SeqLogWriter::create(store.clone(), Family::Data, log, &open).await.unwrap();
    let [stored, idle] = [0, 1].map(|index| PartitionId::new(TenantId(1), bucket.topic.id, index));
    let manifests = ManifestStore::new(store.clone());
    for (partition, epoch) in [(stored, 8), (idle, 3)] {
        manifests.commit(&Manifest::create(partition, epoch, log, 1), None).await.unwrap();
    }
    let mut object = ObjectBuilder::new();
    for offset in 0..3 {
        object.add(stored, batch(offset, 8)).unwrap();
    }
    let slot = keys::slot(Family::Data, &log, disk.next_slot());
    disk.append(SlotKind::Data, object.finish(0..300, &slot, store.keyring()).unwrap().0)
        .await
        .unwrap();

    let mut site = bucket.site("b");
    site.promotion.accept_loss = true;
    let said = Mutex::new(Vec::new());
    site.promotion.run(|step| said.lock().push(step)).await.unwrap();
    let said = said.into_inner();
    let lost = said.iter().filter_map(|step| match step {
        Step::GivenUp(lost) => Some(lost),
        _ => None,
    });
    let lost: Vec<&AtRisk> = lost.collect();
    let [lost] = lost.as_slice() else { panic!("{said:?}") };
    let from = lost.partitions.iter().map(|risk| (risk.partition, risk.stored_upto));
    assert!(from.eq([(0, 3), (1, 0)]));
    // The node uploads nothing more.
    assert!(disk.append(SlotKind::Data, vec![Bytes::from_static(b"late")]).await.is_err());

    for (partition, epoch, from) in [(stored, 8, 3), (idle, 3, 0)] {
        let (manifest, _) = manifests.load(&partition).await.unwrap().unwrap();
        assert_eq!((manifest.epoch, manifest.head().start_offset), (epoch + 1, from));
        let gaps = ceiling::read(store, manifest.owner).await.unwrap();
        assert_eq!(gaps[&partition], Gap { partition, from, epoch: epoch + 1 });
        let assignment = site.read::<Assignment>(Key::Partition(bucket.topic.id, partition.index));
        assert_eq!(assignment.await.unwrap().epoch, epoch + 1);
    }
    let node: NodeRecord = site.read(Key::Node(NodeId(1))).await.unwrap();
    assert_eq!(node.state, NodeState::Ended);
    let report = scrub(store, ScrubOptions::default()).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[tokio::test]
async fn giving_up_may_break_off_as_well() {
    for steps in 0..=2 {
        let bucket = Bucket::new().await;
        let disk = bucket.node(1, 1, 4, "disk:/var/wal").await;
        bucket.claim(0, 8, &disk).await;
        bucket.claim(1, 3, &disk).await;
        let mut site = bucket.site("b");
        site.promotion.accept_loss = true;
        let taken = site.promotion.take_over(1).await.unwrap();
        if steps > 0 {
            loss::give_up(&bucket.store, disk.log).await.unwrap();
        }
        if steps > 1 {
            // The gaps are there and one partition is claimed.
            let partition = |index| PartitionId::new(TenantId(1), bucket.topic.id, index);
            let gap = |index, epoch| Gap { partition: partition(index), from: 0, epoch };
            let log = LogId::fresh(NodeId(1), u32::from(taken.generation), 0);
            ceiling::write(&bucket.store, log, &[gap(0, 9), gap(1, 4)]).await.unwrap();
            let manifests = ManifestStore::new(bucket.store.clone());
            let (manifest, version) = manifests.load(&partition(0)).await.unwrap().unwrap();
            let next = manifest.claimed(9, log, 1, 0).unwrap();
            manifests.commit(&next, Some(&version)).await.unwrap();
        }
        // What was given up stays so, whoever goes on.
        site.promotion.accept_loss = steps == 0;
        assert_eq!(site.promote().await.unwrap().generation, 2, "after {steps} steps");
        let logs = generation::logs(&bucket.store).await.unwrap();
        let gap_logs = logs.iter().filter(|log| log.generation == 2).count();
        assert_eq!(gap_logs, 1, "after {steps} steps");
        let report = scrub(&bucket.store, ScrubOptions::default()).await.unwrap();
        assert!(report.findings.is_empty(), "after {steps} steps: {:?}", report.findings);
    }
}
