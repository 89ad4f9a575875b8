//! Access control lists with a real client, through control and both gateways.

use std::fs;

use thermocline_tests::clients::run_python;
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};

#[test]
fn entries_hold_for_librdkafka_and_are_in_the_audit_log() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let audit = dir.path().join("audit.jsonl");
    let gateway_tables = format!(
        "[gateway.authorisation]\nenabled = true\nallow_everyone_if_no_acl_found = true\n\
         [gateway.audit]\nfile = \"{}\"\n",
        audit.display()
    );
    let spec = Spec {
        nodes: 1,
        gateways: 2,
        readers: 1,
        store: StoreKind::Directory,
        gateway_tables,
        ..Spec::default()
    };
    let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    let answer = run_python("acls.py", &[&cluster.bootstrap(), "orders"]);
    assert_eq!(answer.expect("the client runs"), "ok");
    drop(cluster);

    let audit = fs::read_to_string(audit).expect("an audit log");
    for told in [
        r#""event":"denied","tenant":1,"principal":"User:ANONYMOUS","client":"127.0.0.1","api":"Produce","operation":"WRITE","resource_type":"TOPIC","resource":"orders""#,
        r#""api":"CreateTopics","resource_type":"TOPIC","resource":"orders","outcome":"NONE""#,
        r#""resource":"DENY READ TOPIC LITERAL orders User:* *","outcome":"NONE""#,
    ] {
        assert!(audit.contains(told), "{told} is not in\n{audit}");
    }
}
