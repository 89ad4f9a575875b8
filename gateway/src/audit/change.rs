//! Changes that clients asked for, each part with what came of it.

use std::sync::Arc;

use metadata::settings::acl::{AclOperation, PatternType, Permission, ResourceType};
use protocol::ErrorCode;
use protocol::request::ClientRequest;
use protocol::response::ClientResponse;

use super::{Audit, Event, What};
use crate::call::Identity;
use crate::errors;
use crate::limits::AUDIT_PARTS_MAX;
use crate::metrics;

/// A change that was asked for and is not answered yet.
pub(crate) struct Change {
    audit: Audit,
    identity: Arc<Identity>,
    host: Box<str>,
    api: &'static str,
    /// What the answer does not say again.
    asked: Vec<Part>,
}

/// A type of resource and a name.
type Part = (&'static str, String);

const TOPIC: &str = "TOPIC";
const GROUP: &str = "GROUP";
const QUOTA: &str = "CLIENT_QUOTA";
const USER: &str = "USER";
const ACL: &str = "ACL";

impl Change {
    /// A request that is to change something; `None` for others, or if nobody wants to know.
    pub(crate) fn begin(
        audit: &Audit,
        identity: &Arc<Identity>,
        host: &str,
        request: &ClientRequest,
    ) -> Option<Self> {
        use ClientRequest as R;
        if !audit.is_on() {
            return None;
        }
        let asked = match request {
            R::CreateTopics(r) if !r.validate_only => Vec::new(),
            R::CreatePartitions(r) if !r.validate_only => Vec::new(),
            R::AlterConfigs(r) if !r.validate_only => Vec::new(),
            R::IncrementalAlterConfigs(r) if !r.validate_only => Vec::new(),
            R::DeleteTopics(_)
            | R::DeleteRecords(_)
            | R::DeleteGroups(_)
            | R::DeleteAcls(_)
            | R::AlterUserScramCredentials(_) => Vec::new(),
            R::AlterClientQuotas(r) if !r.validate_only => Vec::new(),
            R::OffsetDelete(r) => vec![(GROUP, r.group_id.to_string())],
            R::CreateAcls(r) => {
                let acls = r.creations.iter().map(|acl| {
                    let codes = [
                        acl.resource_type,
                        acl.resource_pattern_type,
                        acl.operation,
                        acl.permission_type,
                    ];
                    (ACL, acl_text(codes, [&acl.resource_name, &acl.principal, &acl.host]))
                });
                acls.collect()
            }
            _ => return None,
        };
        let host = host.into();
        let (audit, identity) = (audit.clone(), Arc::clone(identity));
        Some(Self { audit, identity, host, api: metrics::api_name(request.api()), asked })
    }

    /// Tells what came of it.
    pub(crate) fn answered(self, response: &ClientResponse) {
        let parts = parts(&self.asked, response);
        let omitted = parts.len().saturating_sub(AUDIT_PARTS_MAX);
        let event = |what| {
            let event =
                Event::new(what, self.identity.tenant, &self.identity.principal, &self.host);
            Event { api: self.api, ..event }
        };
        for ((resource_type, resource), code) in parts.into_iter().take(AUDIT_PARTS_MAX) {
            let outcome = ErrorCode::from_code(code).name();
            let event = event(What::Changed).about(resource_type, &resource);
            self.audit.changed(Event { outcome, ..event }, 1);
        }
        if omitted > 0 {
            self.audit.changed(event(What::Omitted), omitted as u64);
        }
    }
}

/// The parts of a change, with their error codes.
fn parts(asked: &[Part], response: &ClientResponse) -> Vec<(Part, i16)> {
    use ClientResponse as R;
    let topic = |name: &str, code: i16| ((TOPIC, name.to_owned()), code);
    match response {
        R::CreateTopics(r) => r.topics.iter().map(|t| topic(&t.name, t.error_code)).collect(),
        R::CreatePartitions(r) => r.results.iter().map(|t| topic(&t.name, t.error_code)).collect(),
        R::DeleteTopics(r) => {
            let topics = r.responses.iter().map(|t| match &t.name {
                Some(name) => topic(name, t.error_code),
                None => topic(&t.topic_id.to_string(), t.error_code),
            });
            topics.collect()
        }
        R::DeleteRecords(r) => {
            let topics = r.topics.iter().map(|t| {
                let codes = t.partitions.iter().map(|p| p.error_code);
                topic(&t.name, codes.fold(0, |first, code| if first == 0 { code } else { first }))
            });
            topics.collect()
        }
        R::DeleteGroups(r) => {
            r.results.iter().map(|g| ((GROUP, g.group_id.to_string()), g.error_code)).collect()
        }
        R::AlterClientQuotas(r) => {
            let entries = r.entries.iter().map(|entry| {
                let parts = entry.entity.iter().map(|part| {
                    let name = part.entity_name.as_deref().unwrap_or("<default>");
                    format!("{}={name}", &*part.entity_type)
                });
                ((QUOTA, parts.collect::<Vec<_>>().join(",")), entry.error_code)
            });
            entries.collect()
        }
        R::AlterUserScramCredentials(r) => {
            r.results.iter().map(|u| ((USER, u.user.to_string()), u.error_code)).collect()
        }
        R::AlterConfigs(r) => {
            let changed = r.responses.iter();
            changed.map(|c| (configs_of(c.resource_type, &c.resource_name), c.error_code)).collect()
        }
        R::IncrementalAlterConfigs(r) => {
            let changed = r.responses.iter();
            changed.map(|c| (configs_of(c.resource_type, &c.resource_name), c.error_code)).collect()
        }
        R::CreateAcls(r) => {
            let codes = r.results.iter().map(|result| result.error_code);
            asked.iter().cloned().zip(codes).collect()
        }
        R::DeleteAcls(r) => {
            let deleted = r.filter_results.iter().flat_map(|result| &result.matching_acls);
            let deleted = deleted.map(|acl| {
                let codes =
                    [acl.resource_type, acl.pattern_type, acl.operation, acl.permission_type];
                let text = acl_text(codes, [&acl.resource_name, &acl.principal, &acl.host]);
                ((ACL, text), acl.error_code)
            });
            deleted.collect()
        }
        other => {
            let code = errors::first_error(other).code();
            asked.iter().map(|part| (part.clone(), code)).collect()
        }
    }
}

/// A resource whose configs changed.
fn configs_of(resource_type: i8, name: &str) -> Part {
    let resource_type = match resource_type {
        2 => TOPIC,
        4 => "BROKER",
        32 => GROUP,
        _ => "OTHER",
    };
    (resource_type, name.to_owned())
}

/// An entry in words.
fn acl_text(codes: [i8; 4], texts: [&str; 3]) -> String {
    let [resource_type, pattern_type, operation, permission] = codes;
    let [name, principal, host] = texts;
    let resource_type = ResourceType::from_code(resource_type).map_or("?", ResourceType::name);
    let pattern_type = PatternType::from_code(pattern_type).map_or("?", PatternType::name);
    let operation = AclOperation::from_code(operation).map_or("?", AclOperation::name);
    let permission = Permission::from_code(permission).map_or("?", Permission::name);
    format!("{permission} {operation} {resource_type} {pattern_type} {name} {principal} {host}")
}
