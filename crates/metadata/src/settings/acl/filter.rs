//! Which entries are asked for, or are to go.

use super::{AclBinding, AclOperation, PatternType, Permission, ResourceType, WILDCARD};

/// Matches entries. `None` matches anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclFilter {
    resource_type: Option<ResourceType>,
    pattern: PatternFilter,
    resource_name: Option<String>,
    principal: Option<String>,
    host: Option<String>,
    operation: Option<AclOperation>,
    permission: Option<Permission>,
}

/// How the resource name of a filter is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatternFilter {
    /// Entries of this very name, of either type.
    Any,
    /// Entries that are about a resource of this name: literal, prefixed and wildcard ones.
    Match,
    /// Entries of this name and type.
    Exactly(PatternType),
}

/// A number in a filter that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unknown {0} in the filter.")]
pub struct UnknownElement(&'static str);

/// Kafka's code of anything, in every field of a filter.
const ANY: i8 = 1;
/// Kafka's `PatternType.MATCH`.
const MATCH: i8 = 2;

impl AclFilter {
    /// A filter from the fields of a request: `codes` are those of resource type, pattern type,
    /// operation and permission; `texts` are resource name, principal and host.
    pub fn from_codes(codes: [i8; 4], texts: [Option<&str>; 3]) -> Result<Self, UnknownElement> {
        let [resource_type, pattern, operation, permission] = codes;
        let [resource_name, principal, host] = texts.map(|text| text.map(str::to_owned));
        let pattern = match pattern {
            ANY => PatternFilter::Any,
            MATCH => PatternFilter::Match,
            code => {
                let known = PatternType::from_code(code);
                PatternFilter::Exactly(known.ok_or(UnknownElement("pattern type"))?)
            }
        };
        Ok(Self {
            resource_type: any_or(resource_type, "resource type", ResourceType::from_code)?,
            pattern,
            resource_name,
            principal,
            host,
            operation: any_or(operation, "operation", AclOperation::from_code)?,
            permission: any_or(permission, "permission type", Permission::from_code)?,
        })
    }

    /// Whether an entry is one of those asked for.
    pub fn matches(&self, acl: &AclBinding) -> bool {
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|w| w == text);
        self.resource_type.is_none_or(|wanted| wanted == acl.resource_type)
            && self.matches_name(acl)
            && is(&self.principal, &acl.principal)
            && is(&self.host, &acl.host)
            && self.operation.is_none_or(|wanted| wanted == acl.operation)
            && self.permission.is_none_or(|wanted| wanted == acl.permission)
    }

    fn matches_name(&self, acl: &AclBinding) -> bool {
        let same_type = match self.pattern {
            PatternFilter::Exactly(wanted) => wanted == acl.pattern_type,
            PatternFilter::Any | PatternFilter::Match => true,
        };
        let Some(name) = &self.resource_name else { return same_type };
        let same_name = *name == acl.resource_name;
        match (self.pattern, acl.pattern_type) {
            (PatternFilter::Match, PatternType::Literal) => {
                same_name || acl.resource_name == WILDCARD
            }
            (PatternFilter::Match, PatternType::Prefixed) => name.starts_with(&acl.resource_name),
            (PatternFilter::Any | PatternFilter::Exactly(_), _) => same_type && same_name,
        }
    }
}

fn any_or<T>(
    code: i8,
    what: &'static str,
    from_code: impl Fn(i8) -> Option<T>,
) -> Result<Option<T>, UnknownElement> {
    if code == ANY {
        return Ok(None);
    }
    from_code(code).map(Some).ok_or(UnknownElement(what))
}
