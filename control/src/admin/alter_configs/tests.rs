//! Kafka's operations on configs, one by one.

use super::*;
use crate::{front_choice::Offered, meta_log::MetaRecord};

const TENANT: TenantId = TenantId(1);
const BOUNDS: Bounds = Bounds {
    offered: Offered { disk: Some(4 << 20), object: None },
    default_partitions: 1,
    partitions_per_topic_max: 10,
    partitions_max: 10,
    of_tenant: None,
};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A catalogue with these topics, on each of which this is set.
fn catalogue(names: &[&str], configs: &[(&str, &str)]) -> Catalogue {
    let topic = |name: &&str| TopicRecord {
        tenant: TENANT,
        id: TopicId::random(),
        name: (*name).to_owned(),
        partitions: 1,
        configs: set(configs),
        internal: *name == "internal",
        created_ms: 0,
    };
    Catalogue::replay(vec![MetaRecord::TopicsCreated(names.iter().map(topic).collect())])
}

fn set(configs: &[(&str, &str)]) -> Configs {
    configs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn resource(topic: &str, changes: &[(&str, i8, Option<&str>)]) -> AlterConfigsResource {
    let change = |&(name, operation, value): &(&str, i8, Option<&str>)| {
        AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(operation)
            .with_value(value.map(text))
    };
    AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(changes.iter().map(change).collect())
}

fn request(resources: Vec<AlterConfigsResource>) -> IncrementalAlterConfigsRequest {
    IncrementalAlterConfigsRequest::default().with_resources(resources)
}

/// What is set on topic `t` after these changes, or the code and the text of the refusal.
fn judged(
    before: &[(&str, &str)],
    changes: &[(&str, i8, Option<&str>)],
) -> Result<Configs, (ErrorCode, String)> {
    let catalogue = catalogue(&["t"], before);
    let plan = plan(&catalogue, BOUNDS, TENANT, &request(vec![resource("t", changes)]));
    let result = &plan.response.responses[0];
    match ErrorCode::from_code(result.error_code) {
        ErrorCode::None => {
            let unchanged = || catalogue.by_name(TENANT, "t").unwrap().configs.clone();
            Ok(plan.topics.into_iter().next().map_or_else(unchanged, |(_, configs)| configs))
        }
        code => {
            assert!(plan.topics.is_empty(), "all of a topic's changes, or none");
            Err((code, result.error_message.as_ref().unwrap().to_string()))
        }
    }
}

#[test]
fn configs_are_set_and_deleted() {
    let before = [("retention.ms", "5"), ("segment.ms", "7")];
    let changes = [
        ("retention.ms", operation::SET, Some(" 8 ")),
        ("segment.ms", operation::DELETE, None),
        ("cleanup.policy", operation::DELETE, Some("was never set")),
    ];
    assert_eq!(judged(&before, &changes), Ok(set(&[("retention.ms", "8")])));
}

#[test]
fn lists_are_appended_to_and_subtracted_from() {
    let policy = |before: &[(&str, &str)], operation, value| {
        judged(before, &[("cleanup.policy", operation, Some(value))])
            .map(|configs| configs["cleanup.policy"].clone())
    };
    let append = policy(&[], operation::APPEND, "compact");
    assert_eq!(append.as_deref(), Ok("delete,compact"), "to the default");
    let set = [("cleanup.policy", "compact")];
    assert_eq!(policy(&set, operation::APPEND, "compact,delete").as_deref(), Ok("compact,delete"));
    let both = [("cleanup.policy", "compact,delete")];
    assert_eq!(policy(&both, operation::SUBTRACT, "delete").as_deref(), Ok("compact"));
    assert_eq!(policy(&both, operation::SUBTRACT, "delete,compact").as_deref(), Ok(""));
    for operation in [operation::APPEND, operation::SUBTRACT] {
        for name in ["retention.ms", "no.such"] {
            let (code, text) = judged(&[], &[(name, operation, Some("1"))]).unwrap_err();
            assert_eq!(code, ErrorCode::InvalidConfig);
            assert!(text.contains(name), "{text}");
        }
    }
    let unknown = policy(&[], operation::APPEND, "shred").unwrap_err();
    assert_eq!(unknown.0, ErrorCode::InvalidConfig);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let set = operation::SET;
    for (changes, code, word) in [
        (&[("no.such", set, Some("1"))][..], ErrorCode::InvalidConfig, "no.such"),
        (&[("retention.ms", set, Some("soon"))], ErrorCode::InvalidConfig, "retention.ms"),
        (&[("retention.ms", set, None)], ErrorCode::InvalidRequest, "retention.ms"),
        (&[("retention.ms", 9, Some("1"))], ErrorCode::InvalidRequest, "retention.ms"),
        (
            &[("retention.ms", set, Some("1")), ("retention.ms", operation::DELETE, None)],
            ErrorCode::InvalidRequest,
            "duplicate",
        ),
        (&[("compression.type", set, Some("zip"))], ErrorCode::InvalidConfig, "compression.type"),
    ] {
        let (refused, text) = judged(&[("segment.ms", "7")], changes).unwrap_err();
        assert_eq!(refused, code, "{text}");
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn configs_that_forbid_each_other_are_judged_together() {
    let before = [("max.compaction.lag.ms", "10")];
    let least = ("min.compaction.lag.ms", operation::SET, Some("20"));
    assert_eq!(judged(&before, &[least]).unwrap_err().0, ErrorCode::InvalidConfig);
    let lifted = judged(&before, &[least, ("max.compaction.lag.ms", operation::DELETE, None)]);
    assert_eq!(lifted, Ok(set(&[("min.compaction.lag.ms", "20")])));
}

#[test]
fn the_front_stays_as_it_was_created() {
    let front = FRONT;
    let before = [(front, "disk")];
    for change in [(front, operation::SET, Some("object")), (front, operation::DELETE, None)] {
        assert_eq!(judged(&before, &[change]).unwrap_err().0, ErrorCode::InvalidConfig);
    }
    assert_eq!(judged(&before, &[(front, operation::SET, Some("disk"))]), Ok(set(&before)));
}

#[test]
fn each_resource_has_its_own_answer() {
    let catalogue = catalogue(&["a", "b", "internal"], &[]);
    let changes = [("retention.ms", operation::SET, Some("1"))];
    let broker = resource("1", &changes).with_resource_type(4);
    let mut resources: Vec<_> =
        ["a", "nothing", "", "internal", "b", "b"].map(|name| resource(name, &changes)).to_vec();
    resources.push(broker);
    let plan = plan(&catalogue, BOUNDS, TENANT, &request(resources.clone()));
    let codes: Vec<_> = plan
        .response
        .responses
        .iter()
        .map(|result| ErrorCode::from_code(result.error_code))
        .collect();
    let expected = [
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::InvalidRequest,
        ErrorCode::TopicAuthorizationFailed,
        ErrorCode::None,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidRequest,
    ];
    assert_eq!(codes, expected);
    assert_eq!(plan.topics.len(), 2);

    let others = super::plan(&catalogue, BOUNDS, TenantId(2), &request(resources.clone()));
    assert!(others.topics.is_empty(), "another tenant's topics are no business of ours (R56)");
    let validated = request(resources).with_validate_only(true);
    let validated = super::plan(&catalogue, BOUNDS, TENANT, &validated);
    assert!(validated.topics.is_empty());
    assert_eq!(validated.response, plan.response);
}

#[test]
fn a_change_that_changes_nothing_is_not_written() {
    let catalogue = catalogue(&["t"], &[("retention.ms", "5")]);
    let same = resource("t", &[("retention.ms", operation::SET, Some("5"))]);
    let plan = plan(&catalogue, BOUNDS, TENANT, &request(vec![same]));
    assert_eq!((plan.response.responses[0].error_code, plan.topics.len()), (0, 0));
}

#[test]
fn a_request_changes_only_so_many_topics() {
    let names: Vec<_> = (0..=TOPICS_ALTERED_PER_REQUEST_MAX).map(|n| format!("t{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let changes = [("retention.ms", operation::SET, Some("1"))];
    let resources = names.iter().map(|name| resource(name, &changes)).collect();
    let mut plan = plan(&catalogue(&names, &[]), BOUNDS, TENANT, &request(resources));
    assert_eq!(plan.topics.len(), TOPICS_ALTERED_PER_REQUEST_MAX);
    let last = plan.response.responses.last().unwrap();
    assert_eq!(last.error_code, ErrorCode::PolicyViolation.code());

    refuse_planned(&mut plan.response, &Refusal::new(ErrorCode::RequestTimedOut, "later"));
    let first = &plan.response.responses[0];
    assert_eq!(first.error_code, ErrorCode::RequestTimedOut.code());
}

/// Carries out changes of group `g`: what is set on it afterwards, or the refusal.
fn on_group(
    catalogue: &mut Catalogue,
    changes: &[(&str, i8, Option<&str>)],
) -> Result<Configs, (ErrorCode, String)> {
    use metadata::model::Record;
    use metadata::settings::SettingKind;
    use metadata::settings::group::GroupRecord;

    let resource = resource("g", changes).with_resource_type(GROUP);
    let plan = plan(catalogue, BOUNDS, TENANT, &request(vec![resource]));
    catalogue.apply(MetaRecord::SettingsChanged(plan.groups));
    let result = &plan.response.responses[0];
    if result.error_code != 0 {
        let text = result.error_message.as_ref().unwrap().to_string();
        return Err((ErrorCode::from_code(result.error_code), text));
    }
    let settings = catalogue.settings(TENANT, SettingKind::Group);
    let set = settings.entries.get("g").map(|value| GroupRecord::decode(value).unwrap());
    Ok(set.unwrap_or_default().configs)
}

#[test]
fn a_group_that_is_not_there_can_be_configured() {
    let (session, heartbeat) = ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms");
    let mut catalogue = Catalogue::default();
    let configs = on_group(&mut catalogue, &[(session, 0, Some("50000"))]);
    assert_eq!(configs, Ok(set(&[(session, "50000")])));
    let refused = on_group(&mut catalogue, &[(heartbeat, 0, Some("50000"))]).unwrap_err();
    assert_eq!(refused.0, ErrorCode::InvalidConfig, "against what is set already");
    let both = [(heartbeat, 0, Some("7000")), (session, 1, None)];
    assert_eq!(on_group(&mut catalogue, &both), Ok(set(&[(heartbeat, "7000")])));
    let appended = on_group(&mut catalogue, &[(heartbeat, 2, Some("1"))]).unwrap_err();
    assert_eq!(appended.0, ErrorCode::InvalidConfig);
    assert_eq!(on_group(&mut catalogue, &[(heartbeat, 1, None)]), Ok(Configs::new()));
}

#[test]
fn a_topic_and_a_group_of_one_name_are_two_resources() {
    let catalogue = catalogue(&["g"], &[]);
    let of_topic = resource("g", &[("retention.ms", 0, Some("5"))]);
    let of_group = resource("g", &[("consumer.session.timeout.ms", 0, Some("50000"))]);
    let of_group = of_group.with_resource_type(GROUP);
    let unnamed = of_group.clone().with_resource_name(StrBytes::default());
    let all = vec![of_topic, of_group.clone(), of_group, unnamed];
    let plan = plan(&catalogue, BOUNDS, TENANT, &request(all));
    let codes: Vec<_> = plan.response.responses.iter().map(|r| r.error_code).collect();
    let invalid = ErrorCode::InvalidRequest.code();
    assert_eq!(codes, [0, 0, invalid, invalid]);
    assert_eq!((plan.topics.len(), plan.groups.len()), (1, 1));
}

#[test]
fn no_topic_promises_batches_that_its_nodes_do_not_take() {
    let name = "max.message.bytes";
    let larger = |value| [(name, operation::SET, Some(value))];
    assert_eq!(judged(&[], &larger("4194304")), Ok(set(&[(name, "4194304")])));
    let (code, text) = judged(&[], &larger("4194305")).unwrap_err();
    assert_eq!(code, ErrorCode::InvalidConfig);
    assert!(text.contains("4194305") && text.contains("up to 4194304 bytes"), "{text}");
    // Logs that were made smaller since stand in the way of no other change.
    let before = [(name, "8000000")];
    let other = [("segment.ms", operation::SET, Some("7"))];
    assert_eq!(judged(&before, &other), Ok(set(&[(name, "8000000"), ("segment.ms", "7")])));
    assert!(judged(&before, &larger("7000000")).is_err());
    assert!(judged(&before, &larger("100")).is_ok());
}
