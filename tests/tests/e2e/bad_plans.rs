//! Plans that a cold reader must not follow, from a real owner to a real reader over the hop: changed
//! in any place, too old, another tenant's. None of them gets a byte, each is counted under its name.

use bytes::Bytes;
use hop::internal::{ColdFetchRequest, PlanRequest};
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId};
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};
use thermocline_tests::direct::Direct;
use thermocline_tests::registry::Registry;

const TOPIC: &str = "planned";
const STRANGER: TenantId = TenantId(9);

struct Rig {
    cluster: Cluster,
    direct: Direct,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let spec = Spec {
            nodes: 1,
            gateways: 1,
            readers: 1,
            store: StoreKind::Directory,
            hot_cache: "1MiB".to_owned(),
            upload_interval: "200ms".to_owned(),
            ..Spec::default()
        };
        let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
        let bootstrap = cluster.bootstrap();
        Client::Python.create_topic(&bootstrap, TOPIC, 1).expect("topic is created");
        let acks = dir.path().join("acks.log").display().to_string();
        let load = ["load", &bootstrap, TOPIC, "1", "2000000", "3", &acks];
        Client::Python.run(&load, None).expect("load runs");
        let registry = Registry::connect(&cluster.etcd.url()).expect("etcd answers");
        let direct = Direct::new(&registry).expect("a runtime");
        Self { cluster, direct, _dir: dir }
    }

    /// The owner's plan from offset 0, and its life.
    fn plan(&self) -> (Bytes, u64) {
        let registry = Registry::connect(&self.cluster.etcd.url()).expect("etcd answers");
        let topic = registry.topic(TOPIC).expect("the topic");
        let question = PlanRequest::new(PartitionId::new(TenantId::DEFAULT, topic, 0), 0);
        let node = self.cluster.nodes[0].address().to_string();
        let answer = self.direct.call(&node, TenantId::DEFAULT, question).expect("an answer");
        assert_eq!(answer.error_code, 0);
        assert!(!answer.plan.is_empty(), "offset 0 is cold");
        (answer.plan, answer.life_ms)
    }

    /// What the reader says to a plan of this age, and how many bytes it gives.
    fn read(&self, tenant: TenantId, plan: Bytes, plan_age_ms: u64) -> (ErrorCode, usize) {
        let request = ColdFetchRequest { plan, fetch_offset: 0, max_bytes: 1 << 20, plan_age_ms };
        let reader = self.cluster.readers[0].address().to_string();
        let answer = self.direct.call(&reader, tenant, request).expect("an answer");
        let bytes = answer.records.iter().map(Bytes::len).sum();
        (ErrorCode::from_code(answer.error_code), bytes)
    }

    fn refused(&self, reason: &str) -> f64 {
        let label = format!("reason=\"{reason}\"");
        self.cluster.metric_of_readers("cold_reader_fetch_errors_total", &label).expect("metric")
    }
}

#[test]
fn a_reader_follows_the_owner_s_plan_and_no_other() {
    let rig = Rig::start();
    let (plan, life_ms) = rig.plan();
    let (code, bytes) = rig.read(TenantId::DEFAULT, plan.clone(), 0);
    assert_eq!(code, ErrorCode::None);
    assert!(bytes > 0);

    // Every 7th byte: version, nonce, extents, offsets, times and MAC all are among them.
    let places: Vec<usize> = (0..plan.len()).step_by(7).chain([plan.len() - 1]).collect();
    for place in &places {
        let mut forged = plan.to_vec();
        forged[*place] ^= 1;
        let (code, bytes) = rig.read(TenantId::DEFAULT, forged.into(), 0);
        assert_ne!(code, ErrorCode::None, "byte {place}");
        assert_eq!(bytes, 0, "byte {place}");
    }
    let refused = rig.refused("plan_forged") + rig.refused("plan_version");
    assert_eq!(refused, places.len() as f64);

    let nothing = |code| (code, 0);
    let old = rig.read(TenantId::DEFAULT, plan.clone(), life_ms);
    assert_eq!(old, nothing(ErrorCode::OffsetNotAvailable));
    assert_eq!(rig.refused("plan_expired"), 1.0);
    let young = rig.read(TenantId::DEFAULT, plan.clone(), life_ms - 1);
    assert_eq!(young.0, ErrorCode::None, "it has been cached; age alone decides");
    let stranger = rig.read(STRANGER, plan, 0);
    assert_eq!(stranger, nothing(ErrorCode::InvalidRequest));
    assert_eq!(rig.refused("tenant"), 1.0);
}
