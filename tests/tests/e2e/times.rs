//! Offsets by time, over records that are hot, uploaded, and compacted. The storage node reads none of
//! them from the object store: a replay that begins at a time costs producers nothing.

use thermocline_tests::clients::{Client, run_python};
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};
use thermocline_tests::process::metric;
use thermocline_tests::wait::eventually;

const TOPIC: &str = "by-time";
/// 24 MB as they are stored, six times what the node keeps in memory: half of each record is random.
const FILL: [&str; 4] = ["120", "400", "1000", "lz4"];
const STEP: &str = "1997";
/// What is uploaded and what is in memory when most searches lead below it.
const UPLOADED_MIN: f64 = 20e6;
const HOT_MAX: f64 = 8e6;
const COMPACTOR: &str = "interval = \"500ms\"\nobject_min = \"4MiB\"\nmax_age = \"1s\"\n";

#[test]
fn a_time_is_found_wherever_its_record_is() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 1,
        store: StoreKind::Directory,
        hot_cache: "4MiB".to_owned(),
        upload_interval: "500ms".to_owned(),
        // The records are older than the default retention by their timestamps.
        node_lines: "retention_interval = \"1h\"\n".to_owned(),
        compactor: Some(COMPACTOR.to_owned()),
        ..Spec::default()
    };
    let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, 1).expect("topic is created");
    let [batches, records, size, codec] = FILL;
    let fill = ["fill", &bootstrap, TOPIC, batches, records, size, codec];
    let filled = run_python("times.py", &fill).expect("records are produced");
    let ask = || run_python("times.py", &["ask", &bootstrap, TOPIC, &filled, STEP]);
    let node = cluster.nodes[0].http();
    let ranges =
        || metric(node, "object_store_requests_total", "op=\"get_range\"").expect("metric");
    let before = ranges();
    eventually("most of it has left the memory", || {
        let moved = metric(node, "object_store_bytes_total", "role=\"storage-node\"");
        let hot = metric(node, "storage_node_hot_cache_bytes", "");
        moved.expect("metric") > UPLOADED_MIN && hot.expect("metric") < HOT_MAX
    });

    let asked: f64 = ask().expect("as they are uploaded").parse().expect("a number");
    eventually("some of it is compacted", || {
        let units = cluster.metric_of_compactors("compactor_units_total", "outcome=\"committed\"");
        units.expect("the compactor runs") > 0.0
    });
    ask().expect("as they are compacted");

    let reader = cluster.readers[0].http();
    let searches = metric(reader, "cold_reader_searches_total", "").expect("metric");
    assert!(searches > asked, "most are cold, both times: {searches} of {asked}");
    assert_eq!(ranges(), before, "the node read no block");
}
