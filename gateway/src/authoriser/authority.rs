//! What one client may do: a principal on a host, under a tenant's entries.

use std::sync::Arc;

use metadata::settings::acl::{AclOperation, CLUSTER_NAME, EVERYBODY, ResourceType};

use super::compiled::{Authoriser, ByType};
use super::patterns::{Masks, Patterns, bit};
use super::rules::Rules;

/// Something that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resource<'a> {
    pub(crate) resource_type: ResourceType,
    pub(crate) name: &'a str,
}

/// The rights of one client.
#[derive(Debug)]
pub(crate) struct Authority {
    authoriser: Arc<Authoriser>,
    /// What the entries of the client's principal and those of everybody say.
    principals: [Option<Arc<ByType>>; 2],
    host: Box<str>,
    is_super: bool,
    everyone_if_none: bool,
}

/// A name that Kafka asks about to find out what holds for all names.
const SOME_NAME: &str = "hardcode";

/// Every operation.
const ALL: u32 = u32::MAX;

// === impl Resource ===

impl<'a> Resource<'a> {
    /// The cluster itself.
    pub(crate) const CLUSTER: Resource<'static> =
        Resource { resource_type: ResourceType::Cluster, name: CLUSTER_NAME };

    pub(crate) fn topic(name: &'a str) -> Self {
        Self { resource_type: ResourceType::Topic, name }
    }

    pub(crate) fn group(name: &'a str) -> Self {
        Self { resource_type: ResourceType::Group, name }
    }

    pub(crate) fn transactional_id(name: &'a str) -> Self {
        Self { resource_type: ResourceType::TransactionalId, name }
    }
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new(
        authoriser: Arc<Authoriser>,
        rules: &Rules,
        is_super: bool,
        principal: &str,
        host: &str,
    ) -> Self {
        let of = |principal: &str| authoriser.principals.get(principal).cloned();
        Self {
            // A client that is called `User:*` has what everybody has.
            principals: [of(principal), of(EVERYBODY)],
            host: host.into(),
            is_super,
            everyone_if_none: rules.everyone_if_none,
            authoriser,
        }
    }

    /// Whether these are the entries that it was made from.
    pub(crate) fn is_of(&self, authoriser: &Arc<Authoriser>) -> bool {
        Arc::ptr_eq(&self.authoriser, authoriser)
    }

    /// Whether it may do this.
    pub(crate) fn allows(&self, operation: AclOperation, resource: Resource<'_>) -> bool {
        self.operations(resource) & bit(operation) != 0
    }

    /// All that it may do, in bits as KIP-430 has them.
    pub(crate) fn operations(&self, resource: Resource<'_>) -> u32 {
        if self.is_super {
            return ALL;
        }
        if self.authoriser.unreadable {
            return 0;
        }
        let Resource { resource_type, name } = resource;
        if self.everyone_if_none {
            let mentioned = self.authoriser.mentioned.of(resource_type);
            if mentioned.of(name, &self.host) == Masks::default() {
                return ALL;
            }
        }
        self.masks(resource_type, |patterns| patterns.of(name, &self.host)).granted()
    }

    /// Whether there is a name of this type, of a resource or not, for which it may do this.
    pub(crate) fn allows_some(&self, operation: AclOperation, resource_type: ResourceType) -> bool {
        if self.allows(operation, Resource { resource_type, name: SOME_NAME }) {
            return true;
        }
        if self.authoriser.unreadable {
            return false;
        }
        let granted = |masks: Masks| masks.granted() & bit(operation) != 0;
        let wildcard = self.masks(resource_type, |patterns| patterns.of_wildcard(&self.host));
        if wildcard.denied & bit(operation) != 0 {
            return false;
        }
        let of = self.principals.iter().flatten().map(|by_type| by_type.of(resource_type));
        let mut literals = of.clone().flat_map(Patterns::literals);
        let mut prefixes = of.flat_map(Patterns::prefixes);
        literals.any(|name| granted(self.masks(resource_type, |all| all.of(name, &self.host))))
            || prefixes.any(|prefix| {
                granted(self.masks(resource_type, |all| all.of_prefixes(prefix, &self.host)))
            })
    }

    /// What both principals' patterns say together.
    fn masks(&self, resource_type: ResourceType, look: impl Fn(&Patterns) -> Masks) -> Masks {
        let mut masks = Masks::default();
        for by_type in self.principals.iter().flatten() {
            masks |= look(by_type.of(resource_type));
        }
        masks
    }
}
