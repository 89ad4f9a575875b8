//! What the sender of a request may do, asked for per resource by the routes.
//!
//! [`Grants::allows`] is for what a client asked for: a refusal is counted and audited.
//! [`Grants::may`] is for lists that only leave out what a client cannot see.

use std::sync::Arc;

use metadata::settings::acl::{AclOperation, ResourceType};
use protocol::ErrorCode;
use protocol::messages::ApiKey;

use crate::audit::{Audit, Event, What};
use crate::authoriser::{Authority, Resource};
use crate::call::Identity;
use crate::metrics;

/// What the sender of a request may do.
#[derive(Debug, Clone)]
pub(crate) struct Grants(Option<Asking>);

#[derive(Debug, Clone)]
struct Asking {
    client: Arc<Subject>,
    api: ApiKey,
}

/// One client, under one revision of its tenant's access control lists.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) authority: Authority,
    pub(crate) identity: Arc<Identity>,
    pub(crate) host: Box<str>,
    pub(crate) audit: Audit,
}

/// The operations that exist for a topic (`AclEntry.supportedOperations`).
const OF_TOPICS: [AclOperation; 8] = {
    use AclOperation::{
        Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, Read, Write,
    };
    [Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs]
};

/// Those for a group.
const OF_GROUPS: [AclOperation; 5] = {
    use AclOperation::{AlterConfigs, Delete, Describe, DescribeConfigs, Read};
    [Read, Describe, Delete, DescribeConfigs, AlterConfigs]
};

/// Those for the cluster.
const OF_CLUSTER: [AclOperation; 7] = {
    use AclOperation::{
        Alter, AlterConfigs, ClusterAction, Create, Describe, DescribeConfigs, IdempotentWrite,
    };
    [Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe]
};

// === impl Grants ===

impl Grants {
    /// Everything, on everything of one's own tenant.
    pub(crate) const EVERYTHING: Self = Self(None);

    pub(crate) fn new(client: Arc<Subject>, api: ApiKey) -> Self {
        Self(Some(Asking { client, api }))
    }

    /// Whether access control lists are enforced at all.
    pub(crate) fn is_enforced(&self) -> bool {
        self.0.is_some()
    }

    /// Whether something may be done that was asked for.
    pub(crate) fn allows(&self, operation: AclOperation, resource: Resource<'_>) -> bool {
        let allowed = self.may(operation, resource);
        if let Some(asking) = self.0.as_ref().filter(|_| !allowed) {
            asking.denied(operation, resource);
        }
        allowed
    }

    /// Whether something may be done, of which the client need not know.
    pub(crate) fn may(&self, operation: AclOperation, resource: Resource<'_>) -> bool {
        let Some(Asking { client, .. }) = &self.0 else { return true };
        client.authority.allows(operation, resource)
    }

    /// Refuses what may not be done, with the error for that type of resource.
    pub(crate) fn require(
        &self,
        operation: AclOperation,
        resource: Resource<'_>,
    ) -> Result<(), ErrorCode> {
        if self.allows(operation, resource) {
            return Ok(());
        }
        Err(match resource.resource_type {
            ResourceType::Topic => ErrorCode::TopicAuthorizationFailed,
            ResourceType::Group => ErrorCode::GroupAuthorizationFailed,
            ResourceType::TransactionalId => ErrorCode::TransactionalIdAuthorizationFailed,
            ResourceType::DelegationToken => ErrorCode::DelegationTokenAuthorizationFailed,
            ResourceType::Cluster | ResourceType::User => ErrorCode::ClusterAuthorizationFailed,
        })
    }

    /// Whether the client may write to some topic, whichever.
    pub(crate) fn may_write_some_topic(&self) -> bool {
        let Some(Asking { client, .. }) = &self.0 else { return true };
        client.authority.allows_some(AclOperation::Write, ResourceType::Topic)
    }

    /// The operations on a topic, as KIP-430 shows them.
    pub(crate) fn topic_operations(&self, name: &str) -> i32 {
        self.operations(&OF_TOPICS, Resource::topic(name))
    }

    /// The operations on a group.
    pub(crate) fn group_operations(&self, group: &str) -> i32 {
        self.operations(&OF_GROUPS, Resource::group(group))
    }

    /// The operations on the cluster; none for those who may not see it.
    pub(crate) fn cluster_operations(&self) -> i32 {
        if !self.allows(AclOperation::Describe, Resource::CLUSTER) {
            return 0;
        }
        self.operations(&OF_CLUSTER, Resource::CLUSTER)
    }

    fn operations(&self, supported: &[AclOperation], resource: Resource<'_>) -> i32 {
        let granted = match &self.0 {
            None => u32::MAX,
            Some(Asking { client, .. }) => client.authority.operations(resource),
        };
        let bits = supported.iter().map(|operation| 1u32 << operation.code());
        let shown = bits.fold(0, |shown, bit| shown | (granted & bit));
        i32::try_from(shown).expect("Kafka's operations are below the sign")
    }
}

// === impl Asking ===

impl Asking {
    fn denied(&self, operation: AclOperation, resource: Resource<'_>) {
        let Subject { identity, host, audit, .. } = &*self.client;
        let api = metrics::api_name(self.api);
        metrics::denied(api);
        audit.record(|| {
            let event = Event::new(What::Denied, identity.tenant, &identity.principal, host);
            let event = Event { api, operation: operation.name(), ..event };
            event.about(resource.resource_type.name(), resource.name)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_the_bits_that_kafka_clients_decode() {
        // Sums over `AclEntry.supportedOperations` of Kafka 4.
        assert_eq!(Grants::EVERYTHING.topic_operations("t"), 3_576);
        assert_eq!(Grants::EVERYTHING.group_operations("g"), 3_400);
        assert_eq!(Grants::EVERYTHING.cluster_operations(), 8_096);
    }
}
