//! Who asks what of whom (R57): a gateway that is taken over must not be able to act as control,
//! nor a cold reader to produce.
//!
//! The server refuses what a role has no business to ask; the client keeps from a peer what its
//! role does not answer, such as a process that was given the address of a node that is gone. The
//! match has no default: whoever adds an API decides.

use crate::{Role, api::Api};

impl Api {
    /// Whether a process of this role may ask it.
    pub(crate) fn may_be_asked_by(self, role: Role) -> bool {
        // Only where there are no certificates: one process that is all of them.
        role == Role::Dev || self.rule().1.contains(&role)
    }

    /// Whether a process of this role answers it.
    pub(crate) fn is_answered_by(self, role: Role) -> bool {
        self.rule().0.contains(&role)
    }

    /// The roles that answer, and those that ask.
    fn rule(self) -> (&'static [Role], &'static [Role]) {
        use Role::{ColdReader, Compactor, Control, Gateway, Operator, StorageNode};
        match self {
            Self::Produce
            | Self::Fetch
            | Self::ListOffsets
            | Self::OffsetCommit
            | Self::OffsetFetch
            | Self::JoinGroup
            | Self::Heartbeat
            | Self::LeaveGroup
            | Self::SyncGroup
            | Self::DescribeGroups
            | Self::ListGroups
            | Self::DeleteRecords
            | Self::InitProducerId
            | Self::OffsetForLeaderEpoch
            | Self::AddOffsetsToTxn
            | Self::EndTxn
            | Self::TxnOffsetCommit
            | Self::DescribeLogDirs
            | Self::DeleteGroups
            | Self::OffsetDelete
            | Self::DescribeProducers
            | Self::ConsumerGroupHeartbeat
            | Self::ConsumerGroupDescribe
            | Self::DescribeTransactions
            | Self::ListTransactions => (&[StorageNode], &[Gateway]),
            // A reader plans while the owner is away.
            Self::Plan => (&[StorageNode, ColdReader], &[Gateway]),
            // For clients from 2.7 on a partition's owner asks, for older ones the gateway.
            Self::AddTxnPartitions => (&[StorageNode], &[Gateway, StorageNode]),
            Self::WriteTxnMarkers | Self::ReleasePartition => (&[StorageNode], &[StorageNode]),
            Self::Ping => (&[StorageNode], &[Control, StorageNode]),
            Self::Probe | Self::EndIncarnation | Self::DescribeLoad => (&[StorageNode], &[Control]),
            Self::OpenPartitions => (&[StorageNode], &[Control, Gateway]),
            Self::CompactionWork | Self::CommitCompaction | Self::CleaningWork => {
                (&[StorageNode], &[Compactor])
            }
            Self::ColdFetch | Self::ColdSearch => (&[ColdReader], &[Gateway]),
            Self::CreateTopics
            | Self::DeleteTopics
            | Self::CreatePartitions
            | Self::IncrementalAlterConfigs
            | Self::CreateAcls
            | Self::DeleteAcls
            | Self::ShareQuotas => (&[Control], &[Gateway]),
            Self::AllocateProducerIds => (&[Control], &[Gateway, StorageNode]),
            // Users' clients by way of a gateway, operators' commands themselves; with control's
            // own file, as control.
            Self::AlterClientQuotas | Self::AlterUserScramCredentials => {
                (&[Control], &[Gateway, Operator, Control])
            }
            Self::ChangePlacement | Self::ChangeTenant | Self::FinishRelease => {
                (&[Control], &[Operator, Control])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(role: Role) -> Vec<Api> {
        Api::ALL.iter().copied().filter(|api| api.may_be_asked_by(role)).collect()
    }

    #[test]
    fn a_role_asks_nothing_that_is_another_s_to_ask() {
        assert_eq!(asks(Role::ColdReader), [], "it only answers");
        assert!(asks(Role::Gateway).iter().all(|api| api.rule().1.contains(&Role::Gateway)));
        for api in [Api::EndIncarnation, Api::ChangePlacement, Api::ChangeTenant, Api::Probe] {
            assert!(!api.may_be_asked_by(Role::Gateway), "{api:?} would make it control");
            assert!(!api.may_be_asked_by(Role::StorageNode), "{api:?}");
        }
        for role in [Role::Control, Role::Operator, Role::Compactor, Role::StorageNode] {
            assert!(!Api::Produce.may_be_asked_by(role), "{role} is no client's way in");
            assert!(!Api::Fetch.may_be_asked_by(role), "{role} is no client's way out");
        }
        assert_eq!(asks(Role::Dev), Api::ALL);
    }

    #[test]
    fn an_address_that_is_another_s_now_gets_nothing() {
        assert!(Api::Produce.is_answered_by(Role::StorageNode));
        assert!(!Api::Produce.is_answered_by(Role::ColdReader));
        for api in Api::ALL {
            for role in [Role::Gateway, Role::Compactor, Role::Operator] {
                assert!(!api.is_answered_by(role), "{api:?}: a {role} does not listen");
            }
        }
    }
}
