//! Who changed what, in this process's log: a line for every change that an operator asks for.
//!
//! Clients' changes are in the audit logs of the gateways by which they came. An operator is known
//! by certificate where processes have them; what he says of himself ("says") proves nothing, and
//! tells colleagues apart. No secret is in a line, and what others wrote is escaped and cut (R66).

use hop::internal::{ChangeTenantRequest, TenantChange};
use hop::{Request, Response};
use protocol::{ErrorCode, ids::TenantId};

/// Characters of one thing that somebody else wrote.
const TEXT_CHARS_MAX: usize = 256;

/// A change over the hop that is to be told when it is answered.
pub(crate) struct Change {
    tenant: TenantId,
    says: String,
    api: &'static str,
    what: String,
}

impl Change {
    /// What this request would change; nothing if it is none that an operator makes.
    pub(crate) fn of(request: &hop::HopRequest) -> Option<Self> {
        let what = what(&request.body)?;
        let api = request.body.api().name();
        let says = text(&request.header.client_id);
        Some(Self { tenant: request.header.tenant, says, api, what })
    }

    /// Tells it.
    pub(crate) fn answered(self, response: &Response) {
        let Self { tenant, says, api, what } = self;
        let outcome = outcome(response).name();
        tracing::info!(tenant = tenant.0, says, api, what, outcome, "an operator's change");
    }
}

/// Tells a change that came to the admin API.
pub(crate) fn over_http(by: &str, says: &str, line: &str, body: &[u8], status: u16) {
    let (says, what) = (text(says), text(&String::from_utf8_lossy(body)));
    let line = text(line);
    tracing::info!(by, says, api = line, what, outcome = status, "an operator's change");
}

/// What others wrote, on one line and not too long.
pub(crate) fn text(text: &str) -> String {
    let cut: String = text.chars().take(TEXT_CHARS_MAX).collect();
    cut.escape_debug().to_string()
}

/// Names only: of a credential nothing else may be known.
fn what(request: &Request) -> Option<String> {
    match request {
        Request::ChangeTenant(request) => Some(of_tenant(request)),
        Request::AlterUserScramCredentials(request) => {
            let set = request.upsertions.iter().map(|it| ("set", &it.name));
            let all = set.chain(request.deletions.iter().map(|it| ("delete", &it.name)));
            Some(listed(all.map(|(verb, user)| format!("{verb} {}", text(user)))))
        }
        Request::AlterClientQuotas(request) => Some(listed(request.entries.iter().map(|entry| {
            let entity = entry.entity.iter().map(|it| {
                let name = it.entity_name.as_ref().map_or("<default>", |name| name.as_str());
                format!("{} {}", text(&it.entity_type), text(name))
            });
            let ops = entry.ops.iter().map(|op| match op.remove {
                true => format!("{}=none", text(&op.key)),
                false => format!("{}={}", text(&op.key), op.value),
            });
            entity.chain(ops).collect::<Vec<_>>().join(" ")
        }))),
        _ => None,
    }
}

fn of_tenant(request: &ChangeTenantRequest) -> String {
    let change = TenantChange::try_from(request.change).unwrap_or(TenantChange::Unspecified);
    let hosts = request.hosts.iter().map(|host| format!(" {}", text(host)));
    format!("{change:?} {}{}", text(&request.name), hosts.collect::<String>())
}

/// Some of them; an operator changes one or two.
fn listed(all: impl Iterator<Item = String>) -> String {
    all.take(10).collect::<Vec<_>>().join(", ")
}

/// The first error, or none.
fn outcome(response: &Response) -> ErrorCode {
    let code = match response {
        Response::ChangeTenant(answer) => i16::try_from(answer.error_code).unwrap_or(-1),
        Response::AlterUserScramCredentials(answer) => {
            answer.results.iter().map(|user| user.error_code).find(|code| *code != 0).unwrap_or(0)
        }
        Response::AlterClientQuotas(answer) => {
            answer.entries.iter().map(|entry| entry.error_code).find(|code| *code != 0).unwrap_or(0)
        }
        _ => 0,
    };
    ErrorCode::from_code(code)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hop::{HopHeader, HopRequest};
    use protocol::StrBytes;
    use protocol::messages::AlterUserScramCredentialsRequest;
    use protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;

    use super::*;

    fn change(body: Request) -> Option<Change> {
        let header = HopHeader::internal(TenantId(7), Duration::from_secs(1));
        let client_id = StrBytes::from_static_str("alice@bastion\n");
        Change::of(&HopRequest { header: HopHeader { client_id, ..header }, body })
    }

    #[test]
    fn a_credential_s_line_names_the_user_and_nothing_of_the_secret() {
        let upsertion = ScramCredentialUpsertion::default()
            .with_name(StrBytes::from_static_str("bob\u{1b}[2J"))
            .with_salt(b"salt-of-bob".as_slice().into())
            .with_salted_password(b"key-of-bob".as_slice().into());
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
        let change = change(Request::AlterUserScramCredentials(request)).unwrap();
        assert_eq!(change.what, r"set bob\u{1b}[2J");
        assert_eq!((change.says.as_str(), change.tenant), (r"alice@bastion\n", TenantId(7)));
    }

    #[test]
    fn a_tenant_s_line_says_what_was_asked_for_and_reading_has_none() {
        let request = ChangeTenantRequest {
            name: "acme".to_owned(),
            change: TenantChange::SetHosts.into(),
            hosts: vec!["kafka.acme.example".to_owned()],
        };
        let told = change(Request::ChangeTenant(request)).unwrap();
        assert_eq!(told.what, "SetHosts acme kafka.acme.example");
        let ping = hop::internal::PingRequest {};
        assert!(change(Request::Ping(ping)).is_none());
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(text(&"x".repeat(10_000)).len(), TEXT_CHARS_MAX);
    }
}
