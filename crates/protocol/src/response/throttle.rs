//! How long an answer says that its client should wait. Every answer has a place for that but those
//! of SASL, which nobody is throttled in.

use super::ClientResponse;

macro_rules! throttled {
    ($($api:ident)*) => {
        impl ClientResponse {
            /// What the answer says, in milliseconds.
            pub fn throttle_time_ms(&self) -> i32 {
                match self {
                    $(Self::$api(response) => response.throttle_time_ms,)*
                    _ => 0,
                }
            }

            /// Has the answer say it. Versions without a place for it drop it.
            pub fn set_throttle_time_ms(&mut self, milliseconds: i32) {
                match self {
                    $(Self::$api(response) => response.throttle_time_ms = milliseconds,)*
                    _ => {}
                }
            }
        }
    };
}

throttled! {
    Fetch
    Produce ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup Heartbeat
    LeaveGroup SyncGroup DescribeGroups ListGroups ApiVersions CreateTopics DeleteTopics
    DeleteRecords InitProducerId OffsetForLeaderEpoch DescribeAcls CreateAcls DeleteAcls
    DescribeConfigs AlterConfigs AlterReplicaLogDirs DescribeLogDirs CreatePartitions
    DeleteGroups ElectLeaders IncrementalAlterConfigs AlterPartitionReassignments
    ListPartitionReassignments OffsetDelete DescribeClientQuotas DescribeUserScramCredentials
    AlterUserScramCredentials AlterClientQuotas
    DescribeCluster ListConfigResources DescribeTopicPartitions DescribeProducers
    ConsumerGroupHeartbeat ConsumerGroupDescribe AddPartitionsToTxn AddOffsetsToTxn EndTxn
    TxnOffsetCommit DescribeTransactions ListTransactions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{HeartbeatResponse, JoinGroupResponse};
    use crate::versions::APIS;

    #[test]
    fn an_answer_says_it_where_its_version_has_a_place() {
        let mut heartbeat = ClientResponse::from(HeartbeatResponse::default());
        heartbeat.set_throttle_time_ms(0x0102_0304);
        assert_eq!(heartbeat.throttle_time_ms(), 0x0102_0304);
        let bytes = |version| heartbeat.encode(version, 0).unwrap().into_bytes().to_vec();
        assert_eq!(bytes(0).len(), 10, "none in version 0");
        assert_eq!(bytes(1)[8..12], [1, 2, 3, 4]);
        let mut join = ClientResponse::from(JoinGroupResponse::default());
        join.set_throttle_time_ms(5);
        assert!(
            APIS.iter().all(|api| api.key != join.api() || join.encode(api.served_min, 0).is_ok())
        );
    }
}
