//! AlterUserScramCredentials.
//!
//! What comes here has no password in it: the gateway has made the two keys of the salted password,
//! and they stand in its field. A user may be altered once per request, as in Kafka, whatever the
//! mechanisms.

use std::collections::HashMap;

use bytes::Bytes;
use metadata::{
    limits::SETTINGS_PER_KIND_MAX,
    model::Record,
    settings::{
        SettingKey, SettingKind, Settings,
        credential::{
            ITERATIONS_MAX, ITERATIONS_MIN, SALT_BYTES_MAX, ScramCredential, ScramMechanism,
            USER_BYTES_MAX,
        },
    },
};
use protocol::{
    ErrorCode, StrBytes,
    ids::TenantId,
    messages::{
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
        alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion},
        alter_user_scram_credentials_response::AlterUserScramCredentialsResult,
    },
};

use super::Refusal;
use crate::{catalogue::Catalogue, limits::CREDENTIALS_ALTERED_PER_REQUEST_MAX};

/// A change of a setting.
type Change = (SettingKey, Option<Bytes>);

/// What to do and what to answer.
pub(crate) struct Plan {
    /// The credentials that change.
    pub(crate) changes: Vec<Change>,
    /// The answer, if that succeeds.
    pub(crate) response: AlterUserScramCredentialsResponse,
}

/// What a request does to each user, in the order in which it names them.
#[derive(Default)]
struct Users<'a> {
    planned: Vec<(&'a StrBytes, Result<Change, Refusal>)>,
    at: HashMap<&'a str, usize>,
}

/// Plans a request of one tenant.
pub(crate) fn plan(
    catalogue: &Catalogue,
    tenant: TenantId,
    request: &AlterUserScramCredentialsRequest,
) -> Plan {
    let settings = catalogue.settings(tenant, SettingKind::Credential);
    let key = |name: String| SettingKey::new(tenant, SettingKind::Credential, name);
    let mut users = Users::default();
    for deletion in &request.deletions {
        users.alter(&deletion.name, || {
            let setting = deleted(&settings, deletion)?;
            Ok((key(setting), None))
        });
    }
    let mut room = SETTINGS_PER_KIND_MAX.saturating_sub(settings.entries.len());
    for upsertion in &request.upsertions {
        users.alter(&upsertion.name, || {
            let (setting, credential) = upserted(upsertion)?;
            if !settings.entries.contains_key(&setting) {
                room = room.checked_sub(1).ok_or_else(full)?;
            }
            Ok((key(setting), Some(credential.encode())))
        });
    }
    let mut changes = Vec::new();
    let results = users.planned.into_iter().map(|(user, planned)| match planned {
        Ok(change) => {
            changes.push(change);
            result(user)
        }
        Err(refusal) => refused(user, refusal),
    });
    let response = AlterUserScramCredentialsResponse::default().with_results(results.collect());
    Plan { changes, response }
}

/// An answer that refuses every user alike.
pub(crate) fn refuse_all(
    request: &AlterUserScramCredentialsRequest,
    refusal: &Refusal,
) -> AlterUserScramCredentialsResponse {
    let mut users = Users::default();
    let deleted = request.deletions.iter().map(|deletion| &deletion.name);
    for user in deleted.chain(request.upsertions.iter().map(|upsertion| &upsertion.name)) {
        users.alter(user, || Err(refusal.clone()));
    }
    let results = users.planned.into_iter().map(|(user, _)| refused(user, refusal.clone()));
    AlterUserScramCredentialsResponse::default().with_results(results.collect())
}

/// Turns the successes of an answer into this refusal: their record was not committed.
pub(crate) fn refuse_planned(response: &mut AlterUserScramCredentialsResponse, refusal: &Refusal) {
    for result in response.results.iter_mut().filter(|result| result.error_code == 0) {
        result.error_code = refusal.code.code();
        result.error_message = refusal.clone().text();
    }
}

// === impl Users ===

impl<'a> Users<'a> {
    /// Notes what happens to a user. The second alteration of one is an error, unless the first
    /// is one already.
    fn alter(&mut self, user: &'a StrBytes, plan: impl FnOnce() -> Result<Change, Refusal>) {
        if let Some(at) = self.at.get(user.as_str()) {
            let planned = &mut self.planned[*at].1;
            if planned.is_ok() {
                let text = "A user credential cannot be altered twice in the same request";
                *planned = Err(Refusal::new(ErrorCode::DuplicateResource, text));
            }
            return;
        }
        let planned = if self.planned.len() < CREDENTIALS_ALTERED_PER_REQUEST_MAX {
            plan()
        } else {
            let most = CREDENTIALS_ALTERED_PER_REQUEST_MAX;
            let text = format!("A request may alter at most {most} users.");
            Err(Refusal::new(ErrorCode::PolicyViolation, text))
        };
        self.at.insert(user, self.planned.len());
        self.planned.push((user, planned));
    }
}

/// The setting that a deletion removes.
fn deleted(settings: &Settings, deletion: &ScramCredentialDeletion) -> Result<String, Refusal> {
    let setting = mechanism(&deletion.name, deletion.mechanism)?.setting(&deletion.name);
    if settings.entries.contains_key(&setting) {
        return Ok(setting);
    }
    let text = "Attempt to delete a user credential that does not exist";
    Err(Refusal::new(ErrorCode::ResourceNotFound, text))
}

/// The setting that an upsertion makes, and its value.
fn upserted(upsertion: &ScramCredentialUpsertion) -> Result<(String, ScramCredential), Refusal> {
    let mechanism = mechanism(&upsertion.name, upsertion.mechanism)?;
    let iterations = u32::try_from(upsertion.iterations).unwrap_or(0);
    if iterations < ITERATIONS_MIN {
        return Err(unacceptable("Too few iterations"));
    }
    if iterations > ITERATIONS_MAX {
        return Err(unacceptable("Too many iterations"));
    }
    if upsertion.salt.is_empty() || upsertion.salt.len() > SALT_BYTES_MAX {
        return Err(unacceptable(format!("A salt has 1 to {SALT_BYTES_MAX} bytes.")));
    }
    let keys = &upsertion.salted_password;
    if keys.len() != 2 * mechanism.key_bytes() {
        return Err(unacceptable("The salted password is not one."));
    }
    let (stored_key, server_key) = keys.split_at(mechanism.key_bytes());
    let credential = ScramCredential {
        salt: upsertion.salt.to_vec(),
        iterations,
        stored_key: stored_key.to_vec(),
        server_key: server_key.to_vec(),
    };
    Ok((mechanism.setting(&upsertion.name), credential))
}

fn mechanism(user: &str, number: i8) -> Result<ScramMechanism, Refusal> {
    if user.is_empty() {
        return Err(unacceptable("Username must not be empty"));
    }
    if user.len() > USER_BYTES_MAX {
        return Err(unacceptable(format!("A user name has at most {USER_BYTES_MAX} bytes.")));
    }
    ScramMechanism::from_number(number)
        .ok_or_else(|| Refusal::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"))
}

fn unacceptable(text: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::UnacceptableCredential, text)
}

fn full() -> Refusal {
    let text = format!("There may be at most {SETTINGS_PER_KIND_MAX} credentials.");
    Refusal::new(ErrorCode::PolicyViolation, text)
}

fn result(user: &StrBytes) -> AlterUserScramCredentialsResult {
    AlterUserScramCredentialsResult::default().with_user(user.clone()).with_error_message(None)
}

fn refused(user: &StrBytes, refusal: Refusal) -> AlterUserScramCredentialsResult {
    result(user).with_error_code(refusal.code.code()).with_error_message(refusal.text())
}

#[cfg(test)]
mod tests;
