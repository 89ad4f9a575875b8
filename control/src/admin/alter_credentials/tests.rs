//! Credentials are set and deleted with the answers Kafka gives.

use super::*;
use crate::meta_log::MetaRecord;

const TENANT: TenantId = TenantId(1);
const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn deletion(user: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism)
}

fn upsertion(user: &str, mechanism: i8) -> ScramCredentialUpsertion {
    let keys = if mechanism == SHA_256 { [7; 64].to_vec() } else { [7; 128].to_vec() };
    ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(mechanism)
        .with_iterations(4_096)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(Bytes::from(keys))
}

/// Plans on a catalogue in which `alice` has a credential for SCRAM-SHA-256.
fn plan_on(
    deletions: Vec<ScramCredentialDeletion>,
    upsertions: Vec<ScramCredentialUpsertion>,
) -> (Vec<Change>, Vec<(String, ErrorCode)>) {
    let key = SettingKey::new(TENANT, SettingKind::Credential, "SCRAM-SHA-256/alice");
    let there = MetaRecord::SettingsChanged(vec![(key, Some(Bytes::from_static(b"any")))]);
    let catalogue = Catalogue::replay(vec![there]);
    let request = AlterUserScramCredentialsRequest::default()
        .with_deletions(deletions)
        .with_upsertions(upsertions);
    let plan = plan(&catalogue, TENANT, &request);
    let results = plan.response.results.iter();
    let codes = results.map(|r| (r.user.to_string(), ErrorCode::from_code(r.error_code)));
    (plan.changes, codes.collect())
}

#[test]
fn a_credential_is_stored_as_two_keys() {
    let (changes, codes) = plan_on(vec![], vec![upsertion("bob", SHA_512)]);
    assert_eq!(codes, [("bob".to_owned(), ErrorCode::None)]);
    let (key, value) = &changes[0];
    assert_eq!((key.tenant, key.name.as_str()), (TENANT, "SCRAM-SHA-512/bob"));
    let stored = ScramCredential::decode(value.as_ref().unwrap()).unwrap();
    assert_eq!((stored.salt.as_slice(), stored.iterations), (b"salt".as_slice(), 4_096));
    assert_eq!((stored.stored_key.len(), stored.server_key.len()), (64, 64));
}

#[test]
fn only_what_is_there_is_deleted() {
    let (changes, codes) = plan_on(vec![deletion("alice", SHA_256)], vec![]);
    assert_eq!(codes[0].1, ErrorCode::None);
    assert_eq!(changes[0].1, None);
    for missing in [deletion("alice", SHA_512), deletion("bob", SHA_256)] {
        let (changes, codes) = plan_on(vec![missing], vec![]);
        assert_eq!((changes.len(), codes[0].1), (0, ErrorCode::ResourceNotFound));
    }
}

#[test]
fn a_user_is_altered_once_per_request() {
    let twice = [
        (vec![deletion("alice", SHA_256)], vec![upsertion("alice", SHA_512)]),
        (vec![], vec![upsertion("alice", SHA_256), upsertion("alice", SHA_512)]),
        (vec![deletion("alice", SHA_256), deletion("alice", SHA_256)], vec![]),
    ];
    for (deletions, upsertions) in twice {
        let (changes, codes) = plan_on(deletions, upsertions);
        assert!(changes.is_empty());
        assert_eq!(codes, [("alice".to_owned(), ErrorCode::DuplicateResource)]);
    }
    // The first error stands.
    let (_, codes) = plan_on(vec![deletion("bob", SHA_256)], vec![upsertion("bob", SHA_256)]);
    assert_eq!(codes, [("bob".to_owned(), ErrorCode::ResourceNotFound)]);
}

#[test]
fn what_kafka_does_not_accept_is_refused() {
    let alter = |upsertion: ScramCredentialUpsertion| {
        let (changes, codes) = plan_on(vec![], vec![upsertion]);
        assert!(changes.is_empty());
        codes[0].1
    };
    let refused = ErrorCode::UnacceptableCredential;
    assert_eq!(alter(upsertion("", SHA_256)), refused);
    assert_eq!(alter(upsertion(&"u".repeat(USER_BYTES_MAX + 1), SHA_256)), refused);
    for iterations in [i32::MIN, 0, 4_095, 16_385, i32::MAX] {
        assert_eq!(alter(upsertion("bob", SHA_256).with_iterations(iterations)), refused);
    }
    let salt = Bytes::from(vec![1; SALT_BYTES_MAX + 1]);
    assert_eq!(alter(upsertion("bob", SHA_256).with_salt(salt)), refused);
    assert_eq!(alter(upsertion("bob", SHA_256).with_salt(Bytes::new())), refused);
    let password = Bytes::from_static(b"a salted password, not two keys.");
    assert_eq!(alter(upsertion("bob", SHA_256).with_salted_password(password)), refused);
    for unknown in [0, 3, -1] {
        assert_eq!(alter(upsertion("bob", unknown)), ErrorCode::UnsupportedSaslMechanism);
    }
}

#[test]
fn a_refusal_of_all_names_each_user_once() {
    let request = AlterUserScramCredentialsRequest::default()
        .with_deletions(vec![deletion("alice", SHA_256)])
        .with_upsertions(vec![upsertion("bob", SHA_256), upsertion("alice", SHA_256)]);
    let refusal = Refusal::new(ErrorCode::NotController, "elsewhere");
    let results = refuse_all(&request, &refusal).results;
    let users: Vec<_> = results.iter().map(|result| result.user.to_string()).collect();
    assert_eq!(users, ["alice", "bob"]);
    assert!(results.iter().all(|r| r.error_code == ErrorCode::NotController.code()));
}
