//! Entries read back, no two share a name, and filters match as Kafka's.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::{DecodeError, Record};

fn acl(pattern_type: PatternType, name: &str) -> AclBinding {
    AclBinding {
        resource_type: ResourceType::Topic,
        pattern_type,
        resource_name: name.to_owned(),
        principal: "User:alice".to_owned(),
        host: WILDCARD.to_owned(),
        operation: AclOperation::Read,
        permission: Permission::Allow,
    }
}

/// Texts that tell a separator in them from one between them.
fn any_acl() -> impl Strategy<Value = AclBinding> {
    let text = "[*.1:a]{0,3}";
    (
        (select(ResourceType::ALL), select(PatternType::ALL)),
        (text, text, text),
        (select(AclOperation::ALL), select(Permission::ALL)),
    )
        .prop_map(|(what, (resource_name, principal, host), (operation, permission))| {
            let (resource_type, pattern_type) = what;
            AclBinding {
                resource_type,
                pattern_type,
                resource_name,
                principal,
                host,
                operation,
                permission,
            }
        })
}

proptest! {
    #[test]
    fn every_entry_reads_back(acl in any_acl()) {
        prop_assert_eq!(AclBinding::decode(&acl.encode()), Ok(acl));
    }

    #[test]
    fn no_two_entries_share_a_name(one in any_acl(), other in any_acl()) {
        prop_assert_eq!(one.setting_name() == other.setting_name(), one == other);
    }
}

#[test]
fn an_entry_from_the_future_is_refused() {
    let mut bytes = acl(PatternType::Literal, "a").encode().to_vec();
    *bytes.last_mut().unwrap() = 99; // its permission
    let refused = AclBinding::decode(&bytes);
    assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "{refused:?}");
}

const ANYTHING: [Option<&str>; 3] = [None; 3];

fn matching(codes: [i8; 4], texts: [Option<&str>; 3], acls: &[AclBinding]) -> Vec<usize> {
    let filter = AclFilter::from_codes(codes, texts).unwrap();
    (0..acls.len()).filter(|at| filter.matches(&acls[*at])).collect()
}

#[test]
fn patterns_are_filtered_as_kafka_filters_them() {
    let acls = [
        acl(PatternType::Literal, "orders"),
        acl(PatternType::Prefixed, "ord"),
        acl(PatternType::Literal, "*"),
        acl(PatternType::Prefixed, "*"),
        acl(PatternType::Prefixed, "orders"),
    ];
    let named = |pattern, name| matching([1, pattern, 1, 1], [Some(name), None, None], &acls);
    let (any, match_, literal, prefixed) = (1, 2, 3, 4);
    assert_eq!(named(any, "orders"), [0, 4]);
    assert_eq!(named(match_, "orders"), [0, 1, 2, 4]);
    assert_eq!(named(match_, "orderly"), [1, 2]);
    assert_eq!(named(literal, "orders"), [0]);
    assert_eq!(named(literal, "*"), [2]);
    assert_eq!(named(prefixed, "orders"), [4]);
    assert_eq!(named(prefixed, "*"), [3]);
    for (pattern, all) in [(any, 5), (match_, 5), (literal, 2), (prefixed, 3)] {
        assert_eq!(matching([1, pattern, 1, 1], ANYTHING, &acls).len(), all, "{pattern}");
    }
}

#[test]
fn other_fields_match_exactly_or_anything() {
    let acls = [acl(PatternType::Literal, "orders")];
    assert_eq!(matching([2, 1, 3, 3], [None, Some("User:alice"), Some("*")], &acls), [0]);
    for codes in [[3, 1, 1, 1], [1, 1, 8, 1], [1, 1, 1, 2]] {
        assert!(matching(codes, ANYTHING, &acls).is_empty(), "{codes:?}");
    }
    for texts in [[None, Some("User:bob"), None], [None, None, Some("10.0.0.1")]] {
        assert!(matching([1, 1, 1, 1], texts, &acls).is_empty(), "{texts:?}");
    }
    for codes in [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0], [9, 1, 1, 1]] {
        assert!(AclFilter::from_codes(codes, ANYTHING).is_err(), "{codes:?}");
    }
}
