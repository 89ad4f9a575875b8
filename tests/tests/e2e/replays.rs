//! Consumers that start at the earliest offset while producers go on reach the tail with every record
//! once and in order, whatever happens to what serves them: compaction, collection of what their plans
//! still name, moves of partitions, and the deaths of a cold reader and of an owner.

use thermocline_tests::chaos::checker::assert_unnoticed;
use thermocline_tests::chaos::load::Load;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, FrontKind, Spec};
use thermocline_tests::process::metric;
use thermocline_tests::registry::Registry;
use thermocline_tests::wait::eventually;

const TOPIC: &str = "replayed";
const PARTITIONS: u32 = 4;
/// Bytes per second that are produced.
const RATE: u64 = 3_000_000;
/// Bytes per second of each replay: faster than the producers, and slow enough that everything that
/// is done to the cluster is done before the tail is reached.
const REPLAY_RATE: u64 = 4_500_000;
/// What a replay has to read after each thing that is done, before the next is: a second's worth.
const STEP: f64 = 4e6;

/// Everything is rewritten within seconds, and what was rewritten is deleted long before the plans
/// that name it end: readers meet missing objects, and plan anew (R31).
const COMPACTOR: &str = r#"
interval = "500ms"
object_min = "16MiB"
own_object_from = "256KiB"
max_age = "1s"
merge_objects = 4
lease = "5s"
[compactor.gc]
interval = "1s"
grace = "1s"
orphan_age = "10s"
"#;

/// A cluster with producers.
struct Rig {
    cluster: Cluster,
    registry: Registry,
    load: Load,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let spec = Spec {
            front: FrontKind::Object,
            hot_cache: "4MiB".to_owned(),
            upload_interval: "500ms".to_owned(),
            compactor: Some(COMPACTOR.to_owned()),
            ..Spec::default()
        };
        let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
        let registry = Registry::connect(&cluster.etcd.url()).expect("etcd answers");
        let bootstrap = cluster.bootstrap();
        Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS).expect("topic is created");
        let load = Load::start(dir.path(), &bootstrap, TOPIC, PARTITIONS, RATE).expect("load");
        Self { cluster, registry, load, _dir: dir }
    }

    /// Bytes that clients were given from cold readers.
    fn cold(&self) -> f64 {
        let gateways = self.cluster.gateways.iter();
        let of = |http| metric(http, "gateway_fetch_bytes_total", "tier=\"cold\"");
        gateways.map(|gateway| of(gateway.http()).expect("gateways are not hurt here")).sum()
    }

    fn deleted(&self) -> f64 {
        let name = "compactor_gc_deleted_total";
        self.cluster.metric_of_compactors(name, "family=\"d\"").expect("compactors are not hurt")
    }

    /// The replays go on, and what is compacted meanwhile is collected.
    fn replays_go_on(&self, after: &str) {
        let (cold, deleted) = (self.cold() + STEP, self.deleted());
        eventually(after, || self.cold() >= cold && self.deleted() > deleted);
    }

    /// The index of the node that owns the most partitions.
    fn busiest(&self) -> usize {
        let owners = self.registry.owners(TOPIC).expect("owners are known");
        let busiest = owners.iter().max_by_key(|(_, owned)| owned.len());
        usize::try_from(*busiest.expect("partitions have owners").0).expect("a node's number") - 1
    }

    /// Gives every partition to another live node than it is at; how many went.
    fn move_all(&self) -> usize {
        let owners = self.registry.owners(TOPIC).expect("owners are known");
        let nodes = i32::try_from(self.cluster.nodes.len()).expect("few nodes");
        let moves = owners.iter().flat_map(|(node, owned)| {
            owned.iter().map(move |partition| (*partition, node % nodes + 1))
        });
        let give = |partition, to| self.registry.give(TOPIC, partition, to).expect("etcd answers");
        moves.filter(|(partition, to)| give(*partition, *to)).count()
    }
}

#[test]
fn replays_reach_the_tail_whatever_happens_meanwhile() {
    let mut rig = Rig::start();
    eventually("objects are merged and collected", || rig.deleted() > 0.0);
    for (name, client) in [("replay-librdkafka", Client::Python), ("replay-java", Client::Java)] {
        rig.load.replay(name, client, REPLAY_RATE).expect("a replay starts");
    }
    rig.replays_go_on("while nothing happens");
    rig.cluster.readers[0].kill();
    rig.replays_go_on("after the death of a cold reader");
    rig.cluster.readers[0].start().expect("the cold reader starts again");
    assert!(rig.move_all() > 0, "partitions are given to other nodes");
    rig.replays_go_on("after moves");
    let owner = rig.busiest();
    rig.cluster.nodes[owner].kill();
    rig.replays_go_on("after the death of an owner");
    rig.cluster.nodes[owner].start().expect("the node starts again");

    let history = rig.load.finish().expect("clients end in order");
    assert_unnoticed(&history);
    assert_eq!(history.tails.len(), 3);
    assert!(history.tails.iter().all(|tail| tail.complete), "all reach the tail");
    rig.cluster.scrub().expect("the bucket keeps its promises");
}
