//! What a line says.

use protocol::ids::TenantId;
use serde::Serialize;

use crate::limits::AUDIT_TEXT_CHARS_MAX;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// A client said who it is, and is.
    Authenticated,
    /// A client did not prove who it says it is. Who that is, is the client's text, and left out.
    AuthenticationFailed,
    /// A client may not do what it asked for.
    Denied,
    /// Somebody changed something, or tried to.
    Changed,
    /// So many more lines of this address were left out.
    Omitted,
}

/// Something that happened. Two that are equal are told once, with a count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Event {
    pub(crate) event: What,
    pub(crate) tenant: u32,
    /// Who did it, or who it claims to be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) principal: String,
    /// The address of the client.
    pub(crate) client: String,
    /// Kafka's name of the request.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) api: &'static str,
    /// What was asked for on what.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) operation: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) resource_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) resource: String,
    /// What came of it: the name of Kafka's error code.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) outcome: &'static str,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// Milliseconds since 1970.
    pub(super) time_ms: i64,
    #[serde(flatten)]
    pub(super) event: Event,
    /// How often, if not once.
    #[serde(skip_serializing_if = "is_one")]
    pub(super) count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(count: &u64) -> bool {
    *count == 1
}

// === impl Event ===

impl Event {
    /// Nothing but what happened and to whom; texts are cut (R66).
    pub(crate) fn new(event: What, tenant: TenantId, principal: &str, client: &str) -> Self {
        Self {
            event,
            tenant: tenant.0,
            principal: cut(principal),
            // Java writes a slash before an address without a name.
            client: cut(client.trim_start_matches('/')),
            api: "",
            operation: "",
            resource_type: "",
            resource: String::new(),
            outcome: "",
        }
    }

    /// The same, about a resource.
    pub(crate) fn about(self, resource_type: &'static str, resource: &str) -> Self {
        Self { resource_type, resource: cut(resource), ..self }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(AUDIT_TEXT_CHARS_MAX).collect()
}

// === impl Line ===

impl Line {
    pub(super) fn once(event: Event, time_ms: i64) -> Self {
        Self { time_ms, event, count: 1 }
    }
}
