//! What a consumer group looks like to ConsumerGroupDescribe and ListGroups.

use protocol::StrBytes;
use protocol::ids::TenantId;
use protocol::messages::consumer_group_describe_response::{
    Assignment as WireAssignment, DescribedGroup, Member, TopicPartitions,
};
use protocol::messages::list_groups_response::ListedGroup;

use super::target::preferred_assignor;
use crate::coordinator::Topics;
use crate::ledger::{ConsumerLedger, MemberLedger};
use crate::record::{Assignment, GroupKey};

/// Kafka's name of this kind of group (KIP-848).
pub(crate) const GROUP_TYPE: &str = "consumer";
/// What members of such a group would be in a classic one.
const PROTOCOL_TYPE: &str = "consumer";
/// What a member speaks (KIP-1099).
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

impl ConsumerLedger {
    /// Kafka's name of the state.
    pub(crate) fn state(&self) -> &'static str {
        let target = self.epochs.target;
        if self.members.is_empty() {
            "Empty"
        } else if self.epochs.group > target {
            "Assigning"
        } else if self.members.values().all(|member| member.current.is_reconciled_to(target)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    pub(crate) fn list(&self, key: &GroupKey) -> ListedGroup {
        ListedGroup::default()
            .with_group_id(key.group.clone().into())
            .with_protocol_type(PROTOCOL_TYPE.into())
            .with_group_state(self.state().into())
            .with_group_type(GROUP_TYPE.into())
    }

    pub(crate) fn describe(&self, key: &GroupKey, topics: &dyn Topics) -> DescribedGroup {
        let members = self.members.values().map(|member| describe(member, key.tenant, topics));
        let assignor = preferred_assignor(self.members.values().map(|member| &member.info));
        DescribedGroup::default()
            .with_group_id(key.group.clone().into())
            .with_group_state(self.state().into())
            .with_group_epoch(self.epochs.group)
            .with_assignment_epoch(self.epochs.target)
            .with_assignor_name(assignor.name().into())
            .with_members(members.collect())
    }
}

fn describe(member: &MemberLedger, tenant: TenantId, topics: &dyn Topics) -> Member {
    let info = &member.info;
    let names = info.topics.iter().map(|name| name.clone().into());
    let member_type = if info.classic.is_some() { CLASSIC_MEMBER } else { CONSUMER_MEMBER };
    Member::default()
        .with_member_id(info.id.clone())
        .with_instance_id(info.instance_id.clone())
        .with_rack_id(info.rack_id.clone())
        .with_member_epoch(member.current.epoch)
        .with_client_id(info.client_id.clone())
        .with_client_host(info.client_host.clone())
        .with_subscribed_topic_names(names.collect())
        .with_subscribed_topic_regex(info.regex.clone())
        .with_assignment(named(&member.current.assigned, tenant, topics))
        .with_target_assignment(named(&member.target, tenant, topics))
        .with_member_type(member_type)
}

/// Topics that are gone are left out, as in Kafka: they have no name.
fn named(partitions: &Assignment, tenant: TenantId, topics: &dyn Topics) -> WireAssignment {
    let mut named: Vec<TopicPartitions> = Vec::new();
    for at in partitions {
        match named.last_mut() {
            Some(topic) if topic.topic_id == at.topic.0 => topic.partitions.push(at.index),
            _ => {
                let name: StrBytes = topics.name(tenant, at.topic).unwrap_or_default();
                named.push(
                    TopicPartitions::default()
                        .with_topic_id(at.topic.0)
                        .with_topic_name(name.into())
                        .with_partitions(vec![at.index]),
                );
            }
        }
    }
    named.retain(|topic| !topic.topic_name.is_empty());
    WireAssignment::default().with_topic_partitions(named)
}
