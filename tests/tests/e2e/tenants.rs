//! A tenant's life, as an operator leads it with `thermocline tenant` and `thermocline quota`, and as
//! its clients hear of it.

use std::cell::RefCell;
use std::path::Path;

use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, TopicName};
use protocol::{ErrorCode, StrBytes};
use serde_json::{Value, json};
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};
use thermocline_tests::process::free_address;
use thermocline_tests::raw::Raw;
use thermocline_tests::wait::eventually;

const TIMEOUT_MS: i32 = 60_000;

fn topic(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Creates a topic; the answer's code.
fn create(client: &mut Raw, name: &str, partitions: i32) -> ErrorCode {
    let wanted = CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(partitions)
        .with_replication_factor(-1);
    let request =
        CreateTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![wanted]);
    ErrorCode::from_code(client.ask(&request, 7).expect("an answer").topics[0].error_code)
}

/// What is said of a topic that is created by being asked for.
fn ask_for(client: &mut Raw, name: &str) -> ErrorCode {
    let asked = MetadataRequestTopic::default().with_name(Some(topic(name)));
    let request = MetadataRequest::default()
        .with_allow_auto_topic_creation(true)
        .with_topics(Some(vec![asked]));
    ErrorCode::from_code(client.ask(&request, 12).expect("an answer").topics[0].error_code)
}

fn delete(client: &mut Raw, name: &str) {
    let topic = DeleteTopicState::default().with_name(Some(topic(name)));
    let request =
        DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![topic]);
    assert_eq!(client.ask(&request, 6).expect("an answer").responses[0].error_code, 0);
}

/// A cluster whose gateway has a listener for a tenant that is still to come.
fn start(dir: &Path, listener: &str) -> Cluster {
    let gateway_tables = format!(
        "[[gateway.listeners]]\nname = \"ACME\"\nbind = \"{listener}\"\ntenant = \"acme\"\n"
    );
    let store = StoreKind::Directory;
    let spec = Spec { nodes: 1, gateways: 1, readers: 0, store, gateway_tables, ..Spec::default() };
    Cluster::start(dir, &spec).expect("cluster starts")
}

#[test]
fn a_tenant_is_made_limited_and_deleted() {
    let dir = tempfile::tempdir().expect("folder");
    let listener = free_address().expect("a free port").to_string();
    let cluster = start(dir.path(), &listener);
    let told = |words: &str| -> Value {
        let words: Vec<_> = words.split(' ').collect();
        cluster.admin(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    };
    let refused = |words: &str, why: &str| {
        let error = cluster.admin(&words.split(' ').collect::<Vec<_>>()).expect_err(words);
        assert!(error.to_string().contains(why), "{words}: {error}");
    };

    let acme = json!({ "name": "acme", "number": 2, "hosts": ["acme.example"] });
    let created = json!({ "name": "acme", "number": 2, "done": "created" });
    assert_eq!(told("tenant create acme --host acme.example"), created);
    refused("tenant create acme", "already exists");
    refused("tenant create ACME", "lower-case letters");
    refused("tenant describe nobody", "there is no tenant `nobody`");
    refused("quota set partitions=2 --tenant nobody", "there is no tenant `nobody`");
    refused("quota set partitions=few --tenant acme", "`few` is not a number");
    refused("quota set partition=2 --tenant acme", "partition");
    let default = json!({ "name": "default", "number": 1, "hosts": [] });
    assert_eq!(told("tenant list"), json!([default, acme]));

    let limit = json!([{ "entity": "tenant=<default>", "values": { "partitions": 2.0 } }]);
    assert_eq!(told("quota set partitions=2 --tenant acme"), limit);
    assert_eq!(told("quota show --tenant acme"), limit);
    assert_eq!(told("quota show"), json!([]), "the default tenant has none");
    let mut client = Raw::connect(&listener, "acme").expect("a connection");
    assert_eq!(create(&mut client, "large", 3), ErrorCode::PolicyViolation);
    assert_eq!(create(&mut client, "orders", 2), ErrorCode::None);
    assert_eq!(ask_for(&mut client, "one-more"), ErrorCode::PolicyViolation);
    let described = told("tenant describe acme");
    assert_eq!((&described["topics"], &described["partitions"]), (&json!(1), &json!(2)));
    assert_eq!(described["quotas"], json!(1));

    refused("tenant delete acme", "delete them first");
    delete(&mut client, "orders");
    assert_eq!(told("quota set partitions=none --tenant acme"), json!([]));
    let mut idle = Raw::connect(&listener, "acme").expect("a connection");
    assert_eq!(ask_for(&mut idle, "bad name"), ErrorCode::InvalidTopicException);
    assert_eq!(told("tenant delete acme")["number"], json!(2));
    refused("tenant delete acme", "There is no tenant `acme`");
    assert_eq!(told("tenant list"), json!([default]));
    let is_over =
        |client: &RefCell<Raw>| client.borrow_mut().ask(&MetadataRequest::default(), 12).is_err();
    let (client, idle) = (RefCell::new(client), RefCell::new(idle));
    eventually("its connections end", || is_over(&client) && is_over(&idle));
    let late = Raw::connect(&listener, "acme").expect("it listens still");
    assert!(is_over(&RefCell::new(late)), "and serves nobody");
    assert_eq!(told("tenant create acme")["number"], json!(3), "another one of that name");
}
