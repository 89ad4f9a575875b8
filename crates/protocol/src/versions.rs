//! Which API we serve in which versions: one table for the answer to ApiVersions, for the checks in
//! front of every decode, and for `docs/compatibility.md`.

use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, api_versions_response::ApiVersion};

use crate::error::ErrorCode;

mod compatibility;
mod features;

pub use compatibility::compatibility_markdown;

/// An API that clients may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// Which one.
    pub key: ApiKey,
    /// Lowest version that we tell clients about; may be below `served_min`.
    pub advertised_min: i16,
    /// Lowest version that we answer.
    pub served_min: i16,
    /// Highest version that we answer and tell clients about.
    pub max: i16,
    /// What a user should know about the range, or about what is missing.
    pub note: &'static str,
}

impl Api {
    /// True if we answer this version.
    pub fn serves(&self, version: i16) -> bool {
        (self.served_min..=self.max).contains(&version)
    }
}

const fn api(key: ApiKey, min: i16, max: i16, note: &'static str) -> Api {
    Api { key, advertised_min: min, served_min: min, max, note }
}

const fn api_advertised_from(advertised_min: i16, api: Api) -> Api {
    Api { advertised_min, ..api }
}

/// As Kafka without an authorizer.
const NO_AUTHORIZER: &str = "SECURITY_DISABLED unless `gateway.authorisation.enabled`";

/// Everything we serve, in the order of the keys. An API is here only once it works.
pub const APIS: &[Api] = &[
    api_advertised_from(
        0,
        api(
            ApiKey::Produce,
            3,
            13,
            "advertised from 0, or librdkafka stops compressing (KAFKA-18659); 0 to 2 are refused",
        ),
    ),
    api(ApiKey::Fetch, 4, 18, "fetch sessions are kept per gateway"),
    api(ApiKey::ListOffsets, 1, 10, ""),
    api(ApiKey::Metadata, 0, 13, "brokers are the gateways"),
    api(ApiKey::OffsetCommit, 2, 9, ""),
    api(ApiKey::OffsetFetch, 1, 9, ""),
    api(ApiKey::FindCoordinator, 0, 6, "groups and transactions"),
    api(ApiKey::JoinGroup, 0, 9, ""),
    api(ApiKey::Heartbeat, 0, 4, ""),
    api(ApiKey::LeaveGroup, 0, 5, ""),
    api(ApiKey::SyncGroup, 0, 5, ""),
    api(ApiKey::DescribeGroups, 0, 6, ""),
    api(ApiKey::ListGroups, 0, 5, ""),
    api(
        ApiKey::SaslHandshake,
        0,
        1,
        "SCRAM-SHA-256, SCRAM-SHA-512, PLAIN over TLS, OAUTHBEARER; after version 0, tokens come bare",
    ),
    api(ApiKey::ApiVersions, 0, 4, "an unknown version is answered in version 0"),
    api(
        ApiKey::CreateTopics,
        2,
        7,
        "replication factor 1 to 3 is accepted; manual assignments are not",
    ),
    api(ApiKey::DeleteTopics, 1, 6, ""),
    api(ApiKey::DeleteRecords, 0, 2, ""),
    api(ApiKey::InitProducerId, 0, 5, ""),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4, ""),
    api(ApiKey::AddPartitionsToTxn, 0, 5, ""),
    api(ApiKey::AddOffsetsToTxn, 0, 4, ""),
    api(ApiKey::EndTxn, 0, 5, ""),
    api(ApiKey::TxnOffsetCommit, 0, 5, ""),
    api(ApiKey::DescribeAcls, 1, 3, NO_AUTHORIZER),
    api(ApiKey::CreateAcls, 1, 3, NO_AUTHORIZER),
    api(ApiKey::DeleteAcls, 1, 3, NO_AUTHORIZER),
    api(ApiKey::DescribeConfigs, 1, 4, "topics, groups and the gateway itself"),
    api(ApiKey::AlterConfigs, 0, 2, "topics and groups; a gateway's configs are in its file"),
    api(
        ApiKey::AlterReplicaLogDirs,
        1,
        2,
        "there is one log directory; any other is LOG_DIR_NOT_FOUND",
    ),
    api(
        ApiKey::DescribeLogDirs,
        1,
        4,
        "one directory; each gateway lists the partitions it is shown to lead, with the bytes they \
         have stored",
    ),
    api(ApiKey::SaslAuthenticate, 0, 2, ""),
    api(ApiKey::CreatePartitions, 0, 3, ""),
    api(ApiKey::DeleteGroups, 0, 2, ""),
    api(ApiKey::ElectLeaders, 0, 2, "never needed: any gateway leads any partition"),
    api(
        ApiKey::IncrementalAlterConfigs,
        0,
        1,
        "topics; of groups those configs that consumer groups have; a gateway's configs are in its file",
    ),
    api(
        ApiKey::AlterPartitionReassignments,
        0,
        1,
        "only to the replicas that are shown already; the cluster places partitions by itself",
    ),
    api(ApiKey::ListPartitionReassignments, 0, 0, "there are never any"),
    api(ApiKey::OffsetDelete, 0, 0, ""),
    api(ApiKey::DescribeClientQuotas, 0, 1, ""),
    api(
        ApiKey::AlterClientQuotas,
        0,
        1,
        "a quota is that of all gateways together; addresses are given as such, not as host names",
    ),
    api(ApiKey::DescribeUserScramCredentials, 0, 0, ""),
    api(ApiKey::AlterUserScramCredentials, 0, 0, ""),
    api(ApiKey::DescribeCluster, 0, 2, ""),
    api(ApiKey::DescribeProducers, 0, 0, ""),
    api(ApiKey::DescribeTransactions, 0, 0, ""),
    api(
        ApiKey::ListTransactions,
        0,
        2,
        "each gateway lists the ids whose clients are sent to it; a filter by duration leaves only \
         those with an open transaction",
    ),
    api(
        ApiKey::ConsumerGroupHeartbeat,
        0,
        1,
        "assignors `uniform` and `range`; classic members may share the group, if the migration \
         policy lets them",
    ),
    api(ApiKey::ConsumerGroupDescribe, 0, 1, ""),
    api(ApiKey::ListConfigResources, 0, 1, "topics, brokers, and groups with configs"),
    api(ApiKey::DescribeTopicPartitions, 0, 0, ""),
];

/// The entry of an API, if we serve it.
pub fn find(api_key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == api_key)
}

/// True if we answer this API in this version.
pub fn is_served(api_key: i16, version: i16) -> bool {
    find(api_key).is_some_and(|api| api.serves(version))
}

/// The answer to an ApiVersions request of this version.
///
/// A version we do not know is told so, and which versions of ApiVersions itself would do; the
/// answer is then encoded in version 0, which every client reads (KIP-35, as Kafka 3.9).
pub fn api_versions_response(version: i16) -> ApiVersionsResponse {
    let response = ApiVersionsResponse::default();
    if is_served(ApiKey::ApiVersions as i16, version) {
        let response = response.with_api_keys(APIS.iter().map(advertisement).collect());
        features::add(response, version)
    } else {
        let itself = APIS.iter().filter(|api| api.key == ApiKey::ApiVersions);
        response
            .with_error_code(ErrorCode::UnsupportedVersion.code())
            .with_api_keys(itself.map(advertisement).collect())
    }
}

fn advertisement(api: &Api) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key as i16)
        .with_min_version(api.advertised_min)
        .with_max_version(api.max)
}

#[cfg(test)]
mod tests;
