//! SCRAM credentials.

use bytes::Bytes;
use protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};

use super::text;
use crate::api::{Request, Response};

pub(super) fn alter() -> (Request, Response) {
    let deletion = ScramCredentialDeletion::default().with_name(text("alice")).with_mechanism(1);
    let upsertion = ScramCredentialUpsertion::default()
        .with_name(text("bob"))
        .with_mechanism(2)
        .with_iterations(8_192)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(Bytes::from_static(b"two keys"));
    let request = AlterUserScramCredentialsRequest::default()
        .with_deletions(vec![deletion])
        .with_upsertions(vec![upsertion]);
    let result = AlterUserScramCredentialsResult::default()
        .with_user(text("alice"))
        .with_error_code(91)
        .with_error_message(Some(text("no such credential")));
    let response = AlterUserScramCredentialsResponse::default()
        .with_throttle_time_ms(9)
        .with_results(vec![result]);
    (Request::AlterUserScramCredentials(request), Response::AlterUserScramCredentials(response))
}
