//! What a group looks like to DescribeGroups, ListGroups and those who ask what it reads.

use std::collections::BTreeSet;

use protocol::StrBytes;
use protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use protocol::messages::list_groups_response::ListedGroup;

use super::roster::Member;
use super::{ClassicGroup, Phase};
use crate::subscription;

/// Kafka's name of this kind of group (KIP-848).
pub(crate) const GROUP_TYPE: &str = "classic";
/// The protocol type under which members' metadata is a subscription to topics.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

impl ClassicGroup {
    /// Kafka's name of the state.
    pub(crate) fn state(&self) -> &'static str {
        match self.phase {
            Phase::Empty => "Empty",
            Phase::Preparing { .. } => "PreparingRebalance",
            Phase::Completing => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    pub(crate) fn describe(&self) -> DescribedGroup {
        // Outside of a settled generation nobody knows which protocol's metadata to show.
        let protocol = self.protocol_name.as_ref().filter(|_| self.phase == Phase::Stable);
        let members = self.roster.iter().map(|member| describe_member(member, protocol));
        DescribedGroup::default()
            .with_group_id(self.key.group.clone().into())
            .with_group_state(self.state().into())
            .with_protocol_type(self.protocol_type.clone())
            .with_protocol_data(protocol.cloned().unwrap_or_default())
            .with_members(members.collect())
    }

    pub(crate) fn list(&self) -> ListedGroup {
        ListedGroup::default()
            .with_group_id(self.key.group.clone().into())
            .with_protocol_type(self.protocol_type.clone())
            .with_group_state(self.state().into())
            .with_group_type(GROUP_TYPE.into())
    }

    pub(crate) fn is_stable(&self) -> bool {
        self.phase == Phase::Stable
    }

    /// True if the members are consumers of topics, rather than, say, workers of Kafka Connect.
    pub(crate) fn speaks_consumer_protocol(&self) -> bool {
        self.protocol_type.as_str() == CONSUMER_PROTOCOL_TYPE
    }

    /// The names of the topics that members subscribe to. `None` if that cannot be known: the group
    /// is between generations, or a member's metadata is not a subscription.
    pub(crate) fn subscribed_topics(&self) -> Option<BTreeSet<StrBytes>> {
        let protocol = self.protocol_name.as_ref()?;
        let mut topics = BTreeSet::new();
        for member in self.roster.iter() {
            topics.extend(subscription::topics(member.metadata(protocol)?)?);
        }
        Some(topics)
    }
}

fn describe_member(member: &Member, protocol: Option<&StrBytes>) -> DescribedGroupMember {
    let record = &member.record;
    let metadata = protocol.and_then(|protocol| member.metadata(protocol));
    DescribedGroupMember::default()
        .with_member_id(record.id.clone())
        .with_group_instance_id(record.instance_id.clone())
        .with_client_id(record.client_id.clone())
        .with_client_host(record.client_host.clone())
        .with_member_metadata(metadata.cloned().unwrap_or_default())
        .with_member_assignment(record.assignment.clone())
}
