//! SCRAM credentials: set and deleted by control, described from the view.
//!
//! A client sends the salted password, with which anybody could log in. It ends here: what goes on
//! to control, and into the metadata log, are the two keys made of it (R66).

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::credential::{ScramCredential, ScramMechanism};
use protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use protocol::{ErrorCode, StrBytes};

use super::admin::{ask_control, enforced};
use crate::context::Context;
use crate::errors;
use crate::limits::ALTER_SETTINGS_TIMEOUT_MS;

/// Answers AlterUserScramCredentials.
pub(super) async fn alter(
    context: Context,
    mut request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let deleted = request.deletions.iter().map(|deletion| deletion.name.clone());
    let upserted = request.upsertions.iter().map(|upsertion| upsertion.name.clone());
    let users: Vec<_> = deleted.chain(upserted).collect();
    for upsertion in &mut request.upsertions {
        upsertion.salted_password = keys(upsertion);
    }
    let refused = |answer: &AlterUserScramCredentialsResponse| {
        answer.results.iter().any(|user| user.error_code == ErrorCode::NotController.code())
    };
    let answer = ask_control(&context, ALTER_SETTINGS_TIMEOUT_MS, request, refused).await;
    // Whoever asks this gateway next sees the change, and who was revoked is out. Other gateways hear
    // of it in a moment.
    let enforced = enforced(&context).await;
    answer.and_then(|answer| enforced.map(|()| answer)).unwrap_or_else(|error| {
        let mut named = HashSet::new();
        let once = users.into_iter().filter(|user| named.insert(user.clone()));
        let failed = once.map(|user| {
            AlterUserScramCredentialsResult::default()
                .with_user(user)
                .with_error_code(error.code())
                .with_error_message(None)
        });
        AlterUserScramCredentialsResponse::default().with_results(failed.collect())
    })
}

/// The stored key and the server key of an upsertion's salted password, one after the other; empty
/// if there is none, or the mechanism is unknown. Control refuses that.
fn keys(upsertion: &ScramCredentialUpsertion) -> Bytes {
    let salted = &upsertion.salted_password;
    match ScramMechanism::from_number(upsertion.mechanism) {
        Some(mechanism) if !salted.is_empty() => {
            let made = ScramCredential::from_salted(mechanism, salted, Vec::new(), 0);
            [made.stored_key, made.server_key].concat().into()
        }
        _ => Bytes::new(),
    }
}

/// Answers DescribeUserScramCredentials.
pub(super) async fn describe(
    context: Context,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    if let Err(error) = context.core.view.refresh().await {
        let code = errors::of_lookup(&error).code();
        return DescribeUserScramCredentialsResponse::default().with_error_code(code);
    }
    let settings = context.core.view.settings(context.tenant(), SettingKind::Credential);
    let mut users: BTreeMap<&str, Vec<CredentialInfo>> = BTreeMap::new();
    for (name, value) in &settings.entries {
        let Some((mechanism, user)) = ScramMechanism::of_setting(name) else { continue };
        let Ok(credential) = ScramCredential::decode(value) else { continue };
        let info = CredentialInfo::default()
            .with_mechanism(mechanism.number())
            .with_iterations(i32::try_from(credential.iterations).unwrap_or(i32::MAX));
        users.entry(user).or_default().push(info);
    }
    let asked = request.users.filter(|users| !users.is_empty());
    let results = match asked {
        None => users.into_iter().map(|(user, infos)| described(text(user), infos)).collect(),
        Some(asked) => answers(asked.into_iter().map(|user| user.name).collect(), &users),
    };
    DescribeUserScramCredentialsResponse::default().with_error_message(None).with_results(results)
}

/// One answer for each user that is asked about, however often.
fn answers(
    asked: Vec<StrBytes>,
    users: &BTreeMap<&str, Vec<CredentialInfo>>,
) -> Vec<DescribeUserScramCredentialsResult> {
    let mut times: BTreeMap<StrBytes, usize> = BTreeMap::new();
    asked.into_iter().for_each(|user| *times.entry(user).or_default() += 1);
    let answer = |(user, times): (StrBytes, usize)| match users.get(user.as_str()) {
        _ if times > 1 => {
            let text = "Cannot describe SCRAM credentials for the same user twice in a request: ";
            refused(user, ErrorCode::DuplicateResource, text)
        }
        Some(infos) => described(user, infos.clone()),
        None => {
            let text = "Attempt to describe a user credential that does not exist: ";
            refused(user, ErrorCode::ResourceNotFound, text)
        }
    };
    times.into_iter().map(answer).collect()
}

fn described(user: StrBytes, infos: Vec<CredentialInfo>) -> DescribeUserScramCredentialsResult {
    DescribeUserScramCredentialsResult::default()
        .with_user(user)
        .with_error_message(None)
        .with_credential_infos(infos)
}

fn refused(user: StrBytes, code: ErrorCode, why: &str) -> DescribeUserScramCredentialsResult {
    let message = StrBytes::from_string(format!("{why}{}", user.as_str()));
    DescribeUserScramCredentialsResult::default()
        .with_user(user)
        .with_error_code(code.code())
        .with_error_message(Some(message))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salted_password_becomes_two_keys_and_is_not_in_them() {
        for mechanism in ScramMechanism::ALL {
            let salted = mechanism.salted_password(b"secret", b"salt", 4_096);
            let upsertion = ScramCredentialUpsertion::default()
                .with_mechanism(mechanism.number())
                .with_salted_password(Bytes::copy_from_slice(&salted));
            let made = keys(&upsertion);
            assert_eq!(made.len(), 2 * mechanism.key_bytes());
            assert!(!made.windows(salted.len()).any(|window| window == &salted[..]));
            let credential =
                ScramCredential::from_password(mechanism, b"secret", b"salt".to_vec(), 4_096);
            assert_eq!(&made[..mechanism.key_bytes()], credential.stored_key);
            assert_eq!(&made[mechanism.key_bytes()..], credential.server_key);
        }
        let unknown = ScramCredentialUpsertion::default()
            .with_mechanism(7)
            .with_salted_password(Bytes::from_static(b"secret"));
        assert!(keys(&unknown).is_empty(), "nothing of it goes on");
    }

    #[test]
    fn each_user_is_answered_once() {
        let info = CredentialInfo::default().with_mechanism(1).with_iterations(4_096);
        let users = BTreeMap::from([("alice", vec![info.clone()]), ("bob", vec![info])]);
        let asked = ["alice", "nobody", "bob", "bob"].map(text).to_vec();
        let codes: Vec<_> = answers(asked, &users)
            .iter()
            .map(|result| (result.user.to_string(), result.error_code))
            .collect();
        let expected = [("alice", 0), ("bob", 92), ("nobody", 91)];
        assert_eq!(codes, expected.map(|(user, code)| (user.to_owned(), code)));
    }
}
