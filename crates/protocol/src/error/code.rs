//! Kafka's error codes by name, and which of them promise that nothing was appended.

use std::fmt;

macro_rules! error_codes {
    ($($name:ident = $code:literal, $text:literal)*) => {
        /// A Kafka error code. Those that only brokers tell each other are left out.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        #[expect(missing_docs, reason = "the names are Kafka's, and so are their meanings")]
        pub enum ErrorCode {
            $($name = $code,)*
        }

        impl ErrorCode {
            /// Every code, in the order of its number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The error with this number. One we do not know reads as `UnknownServerError`.
            pub fn from_code(code: i16) -> Self {
                match code {
                    $($code => Self::$name,)*
                    _ => Self::UnknownServerError,
                }
            }

            /// Kafka's name of the error, as its documentation spells it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

error_codes! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR"
    None = 0, "NONE"
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE"
    CorruptMessage = 2, "CORRUPT_MESSAGE"
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION"
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE"
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE"
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER"
    RequestTimedOut = 7, "REQUEST_TIMED_OUT"
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE"
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE"
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE"
    NetworkException = 13, "NETWORK_EXCEPTION"
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS"
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE"
    NotCoordinator = 16, "NOT_COORDINATOR"
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION"
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE"
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS"
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND"
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS"
    IllegalGeneration = 22, "ILLEGAL_GENERATION"
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL"
    InvalidGroupId = 24, "INVALID_GROUP_ID"
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID"
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT"
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS"
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE"
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED"
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED"
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED"
    InvalidTimestamp = 32, "INVALID_TIMESTAMP"
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM"
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE"
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION"
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS"
    InvalidPartitions = 37, "INVALID_PARTITIONS"
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR"
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT"
    InvalidConfig = 40, "INVALID_CONFIG"
    NotController = 41, "NOT_CONTROLLER"
    InvalidRequest = 42, "INVALID_REQUEST"
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT"
    PolicyViolation = 44, "POLICY_VIOLATION"
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER"
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER"
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH"
    InvalidTxnState = 48, "INVALID_TXN_STATE"
    InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING"
    InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT"
    ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS"
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED"
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
    SecurityDisabled = 54, "SECURITY_DISABLED"
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED"
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR"
    LogDirNotFound = 57, "LOG_DIR_NOT_FOUND"
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED"
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID"
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS"
    DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED"
    DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND"
    DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH"
    DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED"
    DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED"
    DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED"
    InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE"
    NonEmptyGroup = 68, "NON_EMPTY_GROUP"
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND"
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND"
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH"
    ListenerNotFound = 72, "LISTENER_NOT_FOUND"
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED"
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH"
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH"
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE"
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE"
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED"
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE"
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED"
    FencedInstanceId = 82, "FENCED_INSTANCE_ID"
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE"
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED"
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS"
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC"
    InvalidRecord = 87, "INVALID_RECORD"
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT"
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED"
    ProducerFenced = 90, "PRODUCER_FENCED"
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND"
    DuplicateResource = 92, "DUPLICATE_RESOURCE"
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL"
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION"
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED"
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID"
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID"
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID"
    TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND"
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR"
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE"
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH"
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID"
    UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR"
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH"
    UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID"
    TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE"
    TransactionAbortable = 120, "TRANSACTION_ABORTABLE"
    InvalidRecordState = 121, "INVALID_RECORD_STATE"
    ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND"
    InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH"
    FencedStateEpoch = 124, "FENCED_STATE_EPOCH"
    InvalidRegularExpression = 128, "INVALID_REGULAR_EXPRESSION"
    RebootstrapRequired = 129, "REBOOTSTRAP_REQUIRED"
    StreamsInvalidTopology = 130, "STREAMS_INVALID_TOPOLOGY"
    StreamsInvalidTopologyEpoch = 131, "STREAMS_INVALID_TOPOLOGY_EPOCH"
    StreamsTopologyFenced = 132, "STREAMS_TOPOLOGY_FENCED"
    ShareSessionLimitReached = 133, "SHARE_SESSION_LIMIT_REACHED"
}

impl ErrorCode {
    /// The number on the wire.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// True when nothing went wrong.
    pub fn is_none(self) -> bool {
        self == Self::None
    }

    /// True if a produce answered with this code surely was not appended, and never will be (R44).
    ///
    /// Everything else is "unknown": the record may be in the log. Only a definite error lets a
    /// gateway send the batch again (R49). Once bytes were handed to the front, a node may only
    /// answer with codes for which this is false.
    pub fn definite(self) -> bool {
        matches!(
            self,
            // The batch never reached a log.
            Self::UnknownTopicOrPartition
                | Self::UnknownTopicId
                | Self::InconsistentTopicId
                | Self::InvalidTopicException
                | Self::NotLeaderOrFollower
                | Self::FencedLeaderEpoch
                | Self::UnknownLeaderEpoch
                | Self::NotEnoughReplicas
                | Self::ThrottlingQuotaExceeded
                // The batch or the request was refused as such.
                | Self::CorruptMessage
                | Self::MessageTooLarge
                | Self::RecordListTooLarge
                | Self::InvalidRecord
                | Self::InvalidTimestamp
                | Self::InvalidRequiredAcks
                | Self::InvalidRequest
                | Self::PolicyViolation
                | Self::UnsupportedCompressionType
                | Self::UnsupportedForMessageFormat
                | Self::UnsupportedVersion
                // The client may not.
                | Self::TopicAuthorizationFailed
                | Self::ClusterAuthorizationFailed
                | Self::TransactionalIdAuthorizationFailed
                | Self::SaslAuthenticationFailed
                | Self::IllegalSaslState
                // The producer is not in a state to append.
                | Self::InvalidProducerEpoch
                | Self::ProducerFenced
                | Self::OutOfOrderSequenceNumber
                | Self::UnknownProducerId
                | Self::InvalidProducerIdMapping
                | Self::InvalidTxnState
                | Self::ConcurrentTransactions
                | Self::TransactionAbortable
        )
    }
}

/// [`ErrorCode::definite`] for a code as it stands in a message.
pub fn definite(code: i16) -> bool {
    ErrorCode::from_code(code).definite()
}

impl From<ErrorCode> for i16 {
    fn from(error: ErrorCode) -> Self {
        error.code()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::ResponseError;

    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_kafka() {
        for error in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(error.code()), *error);
            if !error.is_none() {
                let known = ResponseError::try_from_code(error.code()).expect("not success");
                assert_eq!(format!("{known:?}"), format!("{error:?}"));
            }
            let letters = error.name().replace('_', "").to_lowercase();
            assert_eq!(letters, format!("{error:?}").to_lowercase());
        }
    }

    #[test]
    fn errors_that_leave_the_outcome_open_are_not_definite() {
        for open in [
            ErrorCode::None,
            ErrorCode::UnknownServerError,
            ErrorCode::RequestTimedOut,
            ErrorCode::NetworkException,
            ErrorCode::KafkaStorageError,
            ErrorCode::NotEnoughReplicasAfterAppend,
            ErrorCode::DuplicateSequenceNumber,
        ] {
            assert!(!open.definite(), "{open}");
        }
        assert!(!definite(i16::MAX), "a code we do not know promises nothing");
        assert!(definite(ErrorCode::NotLeaderOrFollower.code()));
        assert!(definite(ErrorCode::OutOfOrderSequenceNumber.code()));
    }
}
