//! What is denied and changed is in the audit log, and a client cannot fill it.

use std::path::Path;

use metadata::settings::acl::AclOperation as Op;
use protocol::messages::{CreateTopicsRequest, create_topics_request};

use super::rows::CLUSTER;
use super::{ANONYMOUS, allow, enforced};
use crate::fetch::{at_once, fetch};
use crate::support::{Cluster, eventually, name};

fn lines(file: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn count(lines: &[serde_json::Value], field: &str, value: &str) -> usize {
    lines.iter().filter(|line| line[field] == value).count()
}

#[tokio::test]
async fn denials_and_changes_are_told_once_and_counted() {
    let file = std::env::temp_dir().join(format!("audit-{}", uuid::Uuid::new_v4()));
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster
        .gateway_with(1, |config| {
            enforced(config);
            config.audit.file = Some(file.clone());
        })
        .await;
    cluster.set_acls(&gateway, &[allow(Op::Create, CLUSTER)]).await;
    let mut client = gateway.client().await;
    for _ in 0..200 {
        client.call(11, at_once(fetch("orders", &[(0, 0)]))).await;
    }
    let topic = create_topics_request::CreatableTopic::default()
        .with_name(name("bills"))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(9_000);
    client.call(7, create.clone().with_validate_only(true)).await;
    client.call(7, create).await;
    eventually("the change is told", || count(&lines(&file), "event", "changed") > 0).await;

    let told = lines(&file);
    let denied = told.iter().find(|line| line["event"] == "denied").unwrap();
    assert_eq!(denied["principal"], ANONYMOUS);
    assert_eq!((&denied["api"], &denied["operation"]), (&"Fetch".into(), &"READ".into()));
    assert_eq!(
        (&denied["resource_type"], &denied["resource"]),
        (&"TOPIC".into(), &"orders".into())
    );
    assert_eq!((&denied["client"], &denied["tenant"]), (&"127.0.0.1".into(), &1.into()));
    assert!(denied["time_ms"].as_i64().unwrap() > 0 && denied["count"].is_null());
    assert_eq!(count(&told, "event", "denied"), 1, "the others are counted");
    let changed = told.iter().find(|line| line["event"] == "changed").unwrap();
    assert_eq!((&changed["api"], &changed["resource"]), (&"CreateTopics".into(), &"bills".into()));
    assert_eq!(changed["outcome"], "NONE");
    assert_eq!(count(&told, "event", "changed"), 1, "what is only validated changes nothing");

    drop(client);
    gateway.drain.begin();
    eventually("the rest is counted", || lines(&file).iter().any(|l| l["count"] == 199)).await;
    std::fs::remove_file(&file).unwrap();
}
