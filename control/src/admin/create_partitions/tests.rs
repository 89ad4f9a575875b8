//! Topics grow, and only that.

use std::collections::BTreeMap;

use metadata::model::TopicRecord;
use protocol::{
    StrBytes,
    messages::{TopicName, create_partitions_request::CreatePartitionsAssignment},
};

use super::*;
use crate::{front_choice::Offered, meta_log::MetaRecord};

const TENANT: TenantId = TenantId(1);
const BOUNDS: Bounds = Bounds {
    offered: Offered { disk: Some(4 << 20), object: None },
    default_partitions: 1,
    partitions_per_topic_max: 50,
    partitions_max: 60,
    of_tenant: None,
};

fn record(name: &str, internal: bool) -> TopicRecord {
    TopicRecord {
        tenant: TENANT,
        id: TopicId::random(),
        name: name.to_owned(),
        partitions: 4,
        configs: BTreeMap::new(),
        internal,
        created_ms: 0,
    }
}

fn grow(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default()
        .with_name(TopicName(StrBytes::from_string(name.to_owned())))
        .with_count(count)
        .with_assignments(None)
}

fn plan_on(topics: Vec<CreatePartitionsTopic>, validate_only: bool) -> (Vec<i32>, Vec<ErrorCode>) {
    let records = vec![record("a", false), record("b", false), record("own", true)];
    let catalogue = Catalogue::replay(vec![MetaRecord::TopicsCreated(records)]);
    let request =
        CreatePartitionsRequest::default().with_topics(topics).with_validate_only(validate_only);
    let plan = plan(&catalogue, BOUNDS, TENANT, &request);
    let code = |result: &CreatePartitionsTopicResult| ErrorCode::from_code(result.error_code);
    let counts = plan.topics.iter().map(|&(_, count)| count).collect();
    (counts, plan.response.results.iter().map(code).collect())
}

#[test]
fn a_topic_grows() {
    let (counts, codes) = plan_on(vec![grow("a", 5), grow("b", 6)], false);
    assert_eq!((counts, codes), (vec![5, 6], vec![ErrorCode::None; 2]));
}

#[test]
fn it_neither_shrinks_nor_stays() {
    let (counts, codes) = plan_on(vec![grow("a", 4), grow("b", 3), grow("no", 9)], false);
    assert!(counts.is_empty());
    let invalid = ErrorCode::InvalidPartitions;
    assert_eq!(codes, [invalid, invalid, ErrorCode::UnknownTopicOrPartition]);
    assert_eq!(plan_on(vec![grow("own", 9)], false).1, [ErrorCode::TopicAuthorizationFailed]);
}

#[test]
fn bounds_count_the_whole_request() {
    let (counts, codes) = plan_on(vec![grow("a", 51), grow("a2", 1)], false);
    assert!(counts.is_empty());
    assert_eq!(codes[0], ErrorCode::PolicyViolation);
    // 12 there are; 30 more fit below 60, 30 more do not.
    let (counts, codes) = plan_on(vec![grow("a", 34), grow("b", 34)], false);
    assert_eq!((counts, codes), (vec![34], vec![ErrorCode::None, ErrorCode::PolicyViolation]));
}

#[test]
fn repetitions_and_assignments_by_hand_are_refused() {
    let (counts, codes) = plan_on(vec![grow("a", 5), grow("a", 6)], false);
    assert_eq!((counts, codes), (vec![], vec![ErrorCode::InvalidRequest]));
    let by_hand = grow("a", 5).with_assignments(Some(vec![CreatePartitionsAssignment::default()]));
    assert_eq!(plan_on(vec![by_hand], false).1, [ErrorCode::InvalidReplicaAssignment]);
}

#[test]
fn validation_alone_changes_nothing() {
    let (counts, codes) = plan_on(vec![grow("a", 5), grow("b", 1)], true);
    assert_eq!((counts, codes), (vec![], vec![ErrorCode::None, ErrorCode::InvalidPartitions]));
}
