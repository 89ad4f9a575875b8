//! What a request needs as a whole, before its route looks at the parts of it.
//!
//! Resource, operation and error are those of Kafka's `KafkaApis` and `ControllerApis`. Requests
//! about several topics, groups or ids are answered for each, so their routes ask per part; they
//! stand in [`needs`] as well, so that no API comes in without a decision here.

mod refusals;

use metadata::settings::acl::AclOperation as Op;
use protocol::ErrorCode;
use protocol::messages::{ConsumerGroupHeartbeatRequest, InitProducerIdRequest};
use protocol::request::ClientRequest;
use protocol::response::ClientResponse;

use crate::authoriser::Resource;
use crate::context::Context;
use crate::grants::Grants;

/// The answer to a request that its sender may not make at all.
pub(super) fn refusal(context: &Context, request: &ClientRequest) -> Option<ClientResponse> {
    if !context.grants.is_enforced() {
        return None;
    }
    let error = needs(&context.grants, request).err()?;
    Some(refusals::of(request, context.version, error))
}

fn needs(grants: &Grants, request: &ClientRequest) -> Result<(), ErrorCode> {
    use ClientRequest as R;
    let cluster = |operation| grants.require(operation, Resource::CLUSTER);
    let group = |operation, name: &str| grants.require(operation, Resource::group(name));
    let transaction = |name: &str| grants.require(Op::Write, Resource::transactional_id(name));
    match request {
        R::JoinGroup(r) => group(Op::Read, &r.group_id),
        R::SyncGroup(r) => group(Op::Read, &r.group_id),
        R::Heartbeat(r) => group(Op::Read, &r.group_id),
        R::LeaveGroup(r) => group(Op::Read, &r.group_id),
        R::OffsetCommit(r) => group(Op::Read, &r.group_id),
        R::OffsetDelete(r) => group(Op::Delete, &r.group_id),
        R::ConsumerGroupHeartbeat(r) => consumer_group(grants, r),

        R::InitProducerId(r) => producer(grants, r),
        R::EndTxn(r) => transaction(&r.transactional_id),
        R::AddOffsetsToTxn(r) => {
            transaction(&r.transactional_id)?;
            group(Op::Read, &r.group_id)
        }
        R::TxnOffsetCommit(r) => {
            transaction(&r.transactional_id)?;
            group(Op::Read, &r.group_id)
        }

        R::DescribeAcls(_)
        | R::DescribeUserScramCredentials(_)
        | R::DescribeLogDirs(_)
        | R::ListPartitionReassignments(_) => cluster(Op::Describe),
        R::CreateAcls(_)
        | R::AlterUserScramCredentials(_)
        | R::DeleteAcls(_)
        | R::ElectLeaders(_)
        | R::AlterPartitionReassignments(_)
        | R::AlterReplicaLogDirs(_) => cluster(Op::Alter),
        R::ListConfigResources(_) | R::DescribeClientQuotas(_) => cluster(Op::DescribeConfigs),
        R::AlterClientQuotas(_) => cluster(Op::AlterConfigs),

        // For anybody. What of it is not for anybody is left out or asked for by the route.
        R::ApiVersions(_)
        | R::SaslHandshake(_)
        | R::SaslAuthenticate(_)
        | R::DescribeCluster(_)
        | R::ListGroups(_)
        | R::ListTransactions(_) => Ok(()),
        // By their routes, per topic, group, transactional id or resource.
        R::Produce(_)
        | R::Fetch(_)
        | R::ListOffsets(_)
        | R::OffsetForLeaderEpoch(_)
        | R::DeleteRecords(_)
        | R::DescribeProducers(_)
        | R::Metadata(_)
        | R::DescribeTopicPartitions(_)
        | R::CreateTopics(_)
        | R::DeleteTopics(_)
        | R::CreatePartitions(_)
        | R::DescribeConfigs(_)
        | R::AlterConfigs(_)
        | R::IncrementalAlterConfigs(_)
        | R::FindCoordinator(_)
        | R::OffsetFetch(_)
        | R::DescribeGroups(_)
        | R::DeleteGroups(_)
        | R::ConsumerGroupDescribe(_)
        | R::AddPartitionsToTxn(_)
        | R::DescribeTransactions(_) => Ok(()),
    }
}

/// A member must see what it subscribes to by name.
fn consumer_group(
    grants: &Grants,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<(), ErrorCode> {
    grants.require(Op::Read, Resource::group(&request.group_id))?;
    let subscribed = request.subscribed_topic_names.iter().flatten();
    subscribed.map(|name| Resource::topic(name)).try_for_each(|t| grants.require(Op::Describe, t))
}

/// Who may write to some topic may do so with an id (KIP-679).
fn producer(grants: &Grants, request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    match &request.transactional_id {
        Some(id) => grants.require(Op::Write, Resource::transactional_id(id)),
        None if grants.may_write_some_topic() => Ok(()),
        None => grants.require(Op::IdempotentWrite, Resource::CLUSTER),
    }
}
