//! Kafka's rules, one by one.

use protocol::messages::{
    TopicName,
    create_topics_request::{CreatableReplicaAssignment, CreatableTopicConfig},
};

use super::*;
use crate::{front_choice::Offered, meta_log::MetaRecord};

const TENANT: TenantId = TenantId(1);
const BOUNDS: Bounds = Bounds {
    offered: Offered { disk: Some(4 << 20), object: None },
    default_partitions: 3,
    partitions_per_topic_max: 100,
    partitions_max: 120,
    of_tenant: None,
};

fn topic(name: &str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(name.to_owned())))
        .with_num_partitions(1)
        .with_replication_factor(1)
}

fn config(name: &str, value: Option<&str>) -> CreatableTopicConfig {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    CreatableTopicConfig::default().with_name(text(name)).with_value(value.map(text))
}

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics)
}

fn plan_on(catalogue: &Catalogue, topics: Vec<CreatableTopic>) -> Plan {
    plan(catalogue, BOUNDS, TENANT, &request(topics), 77)
}

/// A catalogue with these topics of one partition each.
fn catalogue(names: &[&str]) -> Catalogue {
    let topics = names.iter().map(|name| topic(name)).collect();
    let plan = plan_on(&Catalogue::default(), topics);
    assert_eq!(plan.topics.len(), names.len());
    Catalogue::replay(vec![MetaRecord::TopicsCreated(plan.topics)])
}

/// The code and text of a single topic's answer.
fn judged(catalogue: &Catalogue, topic: CreatableTopic) -> (ErrorCode, String) {
    let plan = plan_on(catalogue, vec![topic]);
    let result = &plan.response.topics[0];
    let code = ErrorCode::from_code(result.error_code);
    assert_eq!(plan.topics.is_empty(), code != ErrorCode::None, "refused topics are not created");
    (code, result.error_message.as_ref().map_or_else(String::new, ToString::to_string))
}

fn code(topic: CreatableTopic) -> ErrorCode {
    judged(&Catalogue::default(), topic).0
}

#[test]
fn a_topic_gets_an_id_and_its_configs_are_echoed() {
    let wanted = topic("orders").with_configs(vec![config("retention.ms", Some("5"))]);
    let plan = plan_on(&Catalogue::default(), vec![wanted]);
    let [record] = &plan.topics[..] else { panic!("one topic") };
    let result = &plan.response.topics[0];
    assert_eq!((result.error_code, &result.error_message), (0, &None));
    assert_eq!(result.topic_id, record.id.0);
    assert!(!record.id.is_nil());
    assert_eq!((result.num_partitions, result.replication_factor), (1, 1));
    assert_eq!((record.created_ms, record.internal, record.tenant), (77, false, TENANT));

    let configs = result.configs.as_ref().expect("Java needs them");
    let source = |name: &str| {
        let config = configs.iter().find(|config| config.name.as_str() == name).unwrap();
        (config.value.as_ref().unwrap().to_string(), config.config_source)
    };
    assert_eq!(source("retention.ms"), ("5".to_owned(), SOURCE_TOPIC));
    assert_eq!(source("cleanup.policy"), ("delete".to_owned(), SOURCE_DEFAULT));
    assert_eq!(configs.len(), TOPIC_CONFIGS.len());
}

#[test]
fn numbers_have_defaults_and_bounds() {
    let plan = plan_on(
        &Catalogue::default(),
        vec![topic("a").with_num_partitions(-1).with_replication_factor(-1)],
    );
    assert_eq!(plan.topics[0].partitions, 3);
    for factor in [1, 2, 3, -1] {
        assert_eq!(code(topic("a").with_replication_factor(factor)), ErrorCode::None);
    }
    for factor in [0, -2, 4] {
        let refused = code(topic("a").with_replication_factor(factor));
        assert_eq!(refused, ErrorCode::InvalidReplicationFactor, "{factor}");
    }
    for partitions in [0, -2] {
        let refused = code(topic("a").with_num_partitions(partitions));
        assert_eq!(refused, ErrorCode::InvalidPartitions, "{partitions}");
    }
    assert_eq!(code(topic("a").with_num_partitions(100)), ErrorCode::None);
    assert_eq!(code(topic("a").with_num_partitions(101)), ErrorCode::PolicyViolation);
    assert_eq!(code(topic("a").with_num_partitions(i32::MAX)), ErrorCode::PolicyViolation);
}

#[test]
fn the_cluster_s_bound_counts_the_request_s_own_topics() {
    let topics = ["a", "b"].map(|name| topic(name).with_num_partitions(60));
    let plan = plan_on(&catalogue(&["x"]), topics.to_vec());
    let codes: Vec<_> = plan.response.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::PolicyViolation.code()], "1 + 60 + 60 of 120");
    assert_eq!(plan.topics.len(), 1, "the other topics of the request are created");
}

#[test]
fn names_are_checked() {
    for name in ["", ".", "..", "a b", &"x".repeat(250)] {
        assert_eq!(code(topic(name)), ErrorCode::InvalidTopicException, "{name}");
    }
    let existing = catalogue(&["a.b", "c"]);
    let (code, text) = judged(&existing, topic("c"));
    assert_eq!((code, text.as_str()), (ErrorCode::TopicAlreadyExists, "Topic 'c' already exists."));
    let (code, text) = judged(&existing, topic("a_b"));
    assert_eq!(code, ErrorCode::InvalidTopicException);
    assert_eq!(text, "Topic 'a_b' collides with existing topic: a.b");
    // Another tenant's names are no business of ours.
    let plan = plan(&existing, BOUNDS, TenantId(2), &request(vec![topic("c")]), 0);
    assert_eq!(plan.response.topics[0].error_code, 0);
}

#[test]
fn names_of_one_request_must_differ() {
    let topics = ["twice", "x.y", "twice", "x_y", "once"].map(topic);
    let plan = plan_on(&Catalogue::default(), topics.to_vec());
    let results: Vec<_> = plan
        .response
        .topics
        .iter()
        .map(|topic| (topic.name.to_string(), ErrorCode::from_code(topic.error_code)))
        .collect();
    assert_eq!(
        results,
        [
            ("twice".to_owned(), ErrorCode::InvalidRequest),
            ("x.y".to_owned(), ErrorCode::None),
            ("x_y".to_owned(), ErrorCode::InvalidTopicException),
            ("once".to_owned(), ErrorCode::None),
        ]
    );
    let created: Vec<_> = plan.topics.iter().map(|topic| topic.name.as_str()).collect();
    assert_eq!(created, ["x.y", "once"]);
}

#[test]
fn assignments_by_hand_are_refused_with_a_reason() {
    let assigned =
        |topic: CreatableTopic| topic.with_assignments(vec![CreatableReplicaAssignment::default()]);
    let by_hand = assigned(topic("a").with_num_partitions(-1).with_replication_factor(-1));
    let (code, text) = judged(&Catalogue::default(), by_hand);
    assert_eq!(code, ErrorCode::InvalidReplicaAssignment);
    assert!(text.contains("not supported"), "{text}");
    assert_eq!(judged(&Catalogue::default(), assigned(topic("a"))).0, ErrorCode::InvalidRequest);
}

#[test]
fn configs_are_checked() {
    for (name, value) in
        [("no.such", Some("1")), ("retention.ms", Some("soon")), ("retention.ms", None)]
    {
        let wanted = topic("a").with_configs(vec![config(name, value)]);
        let (code, text) = judged(&Catalogue::default(), wanted);
        assert_eq!(code, ErrorCode::InvalidConfig, "{name}");
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn validation_alone_creates_nothing() {
    let request = request(vec![topic("a"), topic("a b")]).with_validate_only(true);
    let plan = plan(&Catalogue::default(), BOUNDS, TENANT, &request, 0);
    assert!(plan.topics.is_empty());
    let codes: Vec<_> = plan.response.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::InvalidTopicException.code()]);
    assert!(plan.response.topics[0].topic_id.is_nil());
    assert_eq!(plan.response.topics[0].num_partitions, 1);
}

#[test]
fn what_was_not_committed_is_not_called_created() {
    let mut plan = plan_on(&Catalogue::default(), vec![topic("a"), topic("a b")]);
    refuse_planned(&mut plan.response, &Refusal::new(ErrorCode::RequestTimedOut, "later"));
    let codes: Vec<_> = plan.response.topics.iter().map(|topic| topic.error_code).collect();
    let expected = [ErrorCode::RequestTimedOut, ErrorCode::InvalidTopicException];
    assert_eq!(codes, expected.map(ErrorCode::code));
    assert!(plan.response.topics[0].topic_id.is_nil(), "no id of a topic that may not be");
}

#[test]
fn no_topic_promises_batches_that_its_nodes_do_not_take() {
    let created = |value| {
        let configs = vec![config("max.message.bytes", Some(value))];
        let plan = plan_on(&Catalogue::default(), vec![topic("t").with_configs(configs)]);
        (plan.response.topics[0].error_code, plan.topics.len())
    };
    assert_eq!(created("4194304"), (0, 1));
    assert_eq!(created("4194305"), (ErrorCode::InvalidConfig.code(), 0));
}
