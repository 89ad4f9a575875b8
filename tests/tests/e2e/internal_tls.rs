//! A cluster whose processes speak TLS with each other and with etcd, each with the certificate of
//! its role: records go in and come out, certificates are replaced and a node fails under load, and
//! nobody does what is another role's business (R57).

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hop::internal::PingRequest;
use hop::{Call, ClusterSecret, ClusterTls, Credentials, HopError, HopHeader, Peers, Role};
use metadata::keys::Key;
use metadata::model::{ClusterRecord, Record};
use metadata::{EtcdTls, MetadataStore};
use process::tls::Files;
use process::{Clock, Drain};
use protocol::ids::TenantId;
use protocol::messages::ProduceRequest;
use serde_json::Value;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};
use thermocline_tests::pki::Pki;
use thermocline_tests::process::metric;
use thermocline_tests::thermocline_binary;
use thermocline_tests::wait::eventually;

const TOPIC: &str = "encrypted";
const PARTITIONS: &str = "4";
const RELOADS: &str = "hop_certificate_reloads_total";
/// Longer than any answer; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn spec() -> Spec {
    Spec {
        nodes: 2,
        gateways: 1,
        readers: 1,
        store: StoreKind::Directory,
        // Most of what is read back comes from the cold reader.
        hot_cache: "4MiB".to_owned(),
        upload_interval: "500ms".to_owned(),
        compactor: Some(String::new()),
        tls: true,
        ..Spec::default()
    }
}

#[test]
fn records_pass_a_cluster_whose_certificates_change() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = spec();
    let mut cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, 4).expect("topic is created");
    let log = dir.path().join("acks.log").display().to_string();
    let load = {
        let (bootstrap, log) = (bootstrap.clone(), log.clone());
        let args = move || {
            Client::Python
                .run(&["load", &bootstrap, TOPIC, PARTITIONS, "2000000", "10", &log], None)
        };
        thread::spawn(args)
    };
    let pki = cluster.etcd.pki.clone().expect("it has certificates");
    pki.issue(&spec.members()).expect("new certificates");
    for role in cluster.roles() {
        let used = || metric(role.http(), RELOADS, "used").expect("a metric") >= 1.0;
        eventually("a role has its new certificate", used);
    }
    cluster.nodes[0].kill();
    cluster.nodes[0].start().expect("the node starts again");
    let sent = load.join().expect("load thread").expect("load runs");
    let sent: Value = serde_json::from_str(&sent).expect("JSON");
    assert_eq!((&sent["failed"], &sent["left"]), (&0.into(), &0.into()), "{sent}");

    let args = ["check", &bootstrap, TOPIC, PARTITIONS, &log];
    let found = Client::Python.run(&args, None).expect("check runs");
    let found: Value = serde_json::from_str(&found).expect("JSON");
    for figure in ["lost", "moved", "duplicated", "reordered"] {
        assert_eq!(found[figure], 0, "{found}");
    }
    assert_eq!(found["acked"], sent["acked"]);
    let cold = cluster.metric_of_readers("cold_reader_fetch_bytes_total", "").expect("metric");
    assert!(cold > 0.0, "nothing was read from the cold reader");

    roles_keep_to_their_business(&cluster, &pki);
    commands_need_the_right_certificate(dir.path(), &cluster);
}

fn files(pki: &Pki, name: &str) -> Files {
    let file = |end| pki.file(&format!("{name}.{end}"));
    Files { certificate: file("pem"), key: file("key"), ca: Some(pki.file("ca.pem")) }
}

/// What one asks a node with this certificate, saying to be of this role.
async fn ask<M: Call>(
    cluster: &Cluster,
    (role, files): (Role, Option<Files>),
    secret: &ClusterSecret,
    message: M,
) -> Result<M::Answer, HopError> {
    let drain = Drain::new();
    let tls = match files {
        Some(files) => {
            let tls = ClusterTls::start(files, Clock::system(), &drain).await;
            Some(tls.expect("the files can be used"))
        }
        None => None,
    };
    let peers = Peers::new(role, Credentials::new(secret.clone(), tls), drain);
    let header = HopHeader::internal(TenantId::DEFAULT, PATIENCE);
    peers.peer(&cluster.nodes[1].address().to_string()).ask(header, message).await
}

#[tokio::main]
async fn roles_keep_to_their_business(cluster: &Cluster, pki: &Pki) {
    let secret = secret(cluster, pki).await;
    let certificate = |name| Some(files(pki, name));
    let (ping, produce) = (PingRequest::default, ProduceRequest::default);

    let control = (Role::Control, certificate("control-1"));
    ask(cluster, control, &secret, ping()).await.expect("control may ask how a node is");
    let gateway = (Role::Gateway, certificate("gateway-1"));
    ask(cluster, gateway.clone(), &secret, produce()).await.expect("a gateway may produce");

    let refused = ask(cluster, gateway, &secret, ping()).await;
    assert!(matches!(refused, Err(HopError::Protocol(_))), "a gateway is not control: {refused:?}");
    let reader = (Role::ColdReader, certificate("cold-reader-1"));
    let refused = ask(cluster, reader, &secret, produce()).await;
    assert!(matches!(refused, Err(HopError::Protocol(_))), "a reader produces: {refused:?}");

    let liar = (Role::Gateway, certificate("cold-reader-1"));
    let refused = ask(cluster, liar, &secret, produce()).await;
    assert_eq!(refused, Err(HopError::Unreachable), "its certificate says what it is");
    let plain = (Role::Gateway, None);
    let refused = ask(cluster, plain, &secret, produce()).await;
    assert_eq!(refused, Err(HopError::Unreachable), "the secret alone is not enough");
}

/// The cluster's secret, from an etcd that takes nobody without a certificate.
async fn secret(cluster: &Cluster, pki: &Pki) -> ClusterSecret {
    let url = cluster.etcd.url();
    assert!(metadata::open(&url).await.is_err(), "etcd takes plain text");
    let tls = EtcdTls { ca: Some(pki.file("ca.pem")), client: None };
    assert!(metadata::open_over(&url, Some(tls)).await.is_err(), "etcd takes anybody");
    let Files { certificate, key, ca } = files(pki, "control-1");
    let tls = EtcdTls { ca, client: Some((certificate, key)) };
    let store: Arc<dyn MetadataStore> =
        metadata::open_over(&url, Some(tls)).await.expect("etcd takes us");
    let entry = store.get(&Key::Cluster.to_string()).await.expect("an answer");
    let record = ClusterRecord::decode(&entry.expect("a cluster").value).expect("a record");
    ClusterSecret::new(&record.secret)
}

fn commands_need_the_right_certificate(dir: &Path, cluster: &Cluster) {
    let nodes = cluster.admin(&["nodes"]).expect("control's file is enough");
    assert_eq!(nodes.as_array().map(Vec::len), Some(2), "{nodes}");
    let run = |command: &[&str], config: &Path| {
        let mut command = {
            let mut it = Command::new(thermocline_binary());
            it.args(command).arg("--config").arg(config);
            it
        };
        let output = command.output().expect("it runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (done, _) = run(&["nodes"], &dir.join("gateway-1.toml"));
    assert!(!done, "a gateway's certificate opens the admin API");
    let (done, told) = run(&["tenant", "create", "acme"], &dir.join("control-1.toml"));
    assert!(done, "{told}");
    let (done, told) = run(&["doctor"], &dir.join("control-1.toml"));
    assert!(done, "{told}");

    // A gateway that was given a reader's certificate.
    let text = std::fs::read_to_string(dir.join("gateway-1.toml")).expect("its file");
    let text = text.replace("gateway-1.pem", "cold-reader-1.pem");
    let text = text.replace("gateway-1.key", "cold-reader-1.key");
    let wrong = dir.join("wrong.toml");
    std::fs::write(&wrong, text.replace(&cluster.gateways[0].http().to_string(), "127.0.0.1:0"))
        .expect("it is written");
    let (done, told) = run(&["gateway"], &wrong);
    assert!(!done && told.contains("is that of spiffe://e2e/cold-reader/1"), "{told}");
}
