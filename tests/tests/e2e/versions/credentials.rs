//! Credentials of users.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use protocol::messages::describe_user_scram_credentials_request::UserName;
use protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};

use super::world::{World, is, text};

const SHA_256: i8 = 1;
const ITERATIONS: i32 = 8_192;

fn upserted(world: &mut World, version: i16, user: &str) {
    let credential = ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(SHA_256)
        .with_iterations(ITERATIONS)
        .with_salt(Bytes::from_static(b"some salt"))
        .with_salted_password(Bytes::from_static(&[7; 32]));
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![credential]);
    let answer = world.wire.ask(version, &request);
    assert_eq!(answer.results[0].user.as_str(), user);
    is(ErrorCode::None, answer.results[0].error_code);
}

pub(super) fn alter(world: &mut World, version: i16) {
    upserted(world, version, "alice");
    let deletion =
        ScramCredentialDeletion::default().with_name(text("alice")).with_mechanism(SHA_256);
    let request = AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion]);
    is(ErrorCode::None, world.wire.ask(version, &request).results[0].error_code);
    let again = world.wire.ask(version, &request);
    is(ErrorCode::ResourceNotFound, again.results[0].error_code);
}

pub(super) fn describe(world: &mut World, version: i16) {
    upserted(world, 0, "bob");
    let user = |name| UserName::default().with_name(text(name));
    let request = DescribeUserScramCredentialsRequest::default()
        .with_users(Some(vec![user("bob"), user("nobody")]));
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    let [bob, nobody] = &answer.results[..] else { panic!("{answer:?}") };
    is(ErrorCode::None, bob.error_code);
    let [credential] = &bob.credential_infos[..] else { panic!("{bob:?}") };
    assert_eq!((credential.mechanism, credential.iterations), (SHA_256, ITERATIONS));
    is(ErrorCode::ResourceNotFound, nobody.error_code);
}
