//! The gateway's metrics: names in one place, label values from enums only (R66).

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use protocol::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::ApiKey;

/// Answers by API and the first error in them (`NONE` for none).
const REQUESTS_TOTAL: &str = "gateway_requests_total";
/// From a request's last byte read to its answer being ready.
const REQUEST_SECONDS: &str = "gateway_request_seconds";
/// Each is a bug: clients cannot act on UNKNOWN_SERVER_ERROR.
const UNKNOWN_SERVER_ERRORS_TOTAL: &str = "gateway_unknown_server_errors_total";
/// Bytes of records answered to fetches, by the tier they came from.
const FETCH_BYTES_TOTAL: &str = "gateway_fetch_bytes_total";
/// Bytes of records received in produces.
const PRODUCE_BYTES_TOTAL: &str = "gateway_produce_bytes_total";
/// Connections open now.
const CONNECTIONS: &str = "gateway_connections";
/// Connections that have not said who they are, by whether they are served or wait to be.
const UNAUTHENTICATED_CONNECTIONS: &str = "gateway_unauthenticated_connections";
/// Connections refused, by the limit that refused them.
const CONNECTIONS_REFUSED_TOTAL: &str = "gateway_connections_refused_total";
/// Connections that this side ended, by reason.
const DISCONNECTS_TOTAL: &str = "gateway_disconnects_total";
/// Authentications, by mechanism and outcome.
const AUTHENTICATIONS_TOTAL: &str = "gateway_authentications_total";
/// From a fetch that is the first to want a cold read to its records or its failure.
const COLD_READ_SECONDS: &str = "gateway_cold_read_seconds";
/// Cold reads that were not ready when their fetch was answered.
const COLD_READS_LEFT_TOTAL: &str = "gateway_cold_reads_left_total";
/// Storage nodes whose incarnation ended while calls to it may have been under way.
const NODES_GIVEN_UP_TOTAL: &str = "gateway_nodes_given_up_total";
/// Batches that went to the next owner because the partition had left the one before.
const PRODUCE_FOLLOWED_TOTAL: &str = "gateway_produce_followed_total";
/// How long produces waited for partitions whose node had just gone or come back.
const PRODUCE_HELD_SECONDS: &str = "gateway_produce_held_seconds";
/// Time on a thread of its own for a produce whose batches are packed anew, waiting for one included.
const RECOMPRESS_SECONDS: &str = "gateway_recompress_seconds";
/// Cold readers that did not answer, so that the next one was asked.
const READERS_PASSED_OVER_TOTAL: &str = "gateway_readers_passed_over_total";

/// TLS handshakes, by how they ended.
const TLS_HANDSHAKES_TOTAL: &str = "gateway_tls_handshakes_total";
/// When a listener's certificate ends, in Unix seconds.
const TLS_CERTIFICATE_EXPIRY_SECONDS: &str = "gateway_tls_certificate_expiry_seconds";
/// Certificate files that changed, by whether what they hold is used.
const TLS_RELOADS_TOTAL: &str = "gateway_tls_reloads_total";
/// Operations that were asked for and denied, by API.
const DENIED_TOTAL: &str = "gateway_denied_total";
/// Lines of the audit log that were not written.
const AUDIT_DROPPED_TOTAL: &str = "gateway_audit_dropped_total";
/// Requests after which a client has to wait, by tenant and quota.
const THROTTLED_TOTAL: &str = "gateway_throttled_total";
/// How long, in sum.
const THROTTLE_MILLISECONDS_TOTAL: &str = "gateway_throttle_milliseconds_total";

/// Describes every metric, so that they show with unit and text.
pub(crate) fn describe() {
    describe_counter!(REQUESTS_TOTAL, "requests answered, by API and first error");
    describe_histogram!(REQUEST_SECONDS, "time from request read to answer ready");
    describe_counter!(UNKNOWN_SERVER_ERRORS_TOTAL, "answers that carry UNKNOWN_SERVER_ERROR");
    describe_counter!(FETCH_BYTES_TOTAL, "bytes of records fetched, by tier");
    describe_counter!(PRODUCE_BYTES_TOTAL, "bytes of records produced");
    describe_gauge!(CONNECTIONS, "open client connections");
    describe_gauge!(UNAUTHENTICATED_CONNECTIONS, "connections not authenticated yet, by state");
    describe_counter!(TLS_HANDSHAKES_TOTAL, "TLS handshakes, by how they ended");
    describe_gauge!(TLS_CERTIFICATE_EXPIRY_SECONDS, "when a listener's certificate ends");
    describe_counter!(TLS_RELOADS_TOTAL, "changes of certificate files, by whether they are used");
    describe_counter!(CONNECTIONS_REFUSED_TOTAL, "client connections refused, by limit");
    describe_counter!(DISCONNECTS_TOTAL, "client connections ended by the gateway, by reason");
    describe_counter!(AUTHENTICATIONS_TOTAL, "SASL authentications, by mechanism and outcome");
    describe_histogram!(COLD_READ_SECONDS, "time of cold reads, with their plans");
    describe_counter!(COLD_READS_LEFT_TOTAL, "cold reads left to the next fetch");
    describe_counter!(READERS_PASSED_OVER_TOTAL, "cold readers that did not answer");
    describe_counter!(NODES_GIVEN_UP_TOTAL, "storage nodes given up because they were fenced");
    describe_counter!(
        PRODUCE_FOLLOWED_TOTAL,
        "batches that went to a partition's next owner because the one before had let go of it"
    );
    describe_histogram!(RECOMPRESS_SECONDS, "time to pack a produce's batches anew");
    describe_counter!(THROTTLED_TOTAL, "requests above a quota, by tenant and quota");
    describe_counter!(
        THROTTLE_MILLISECONDS_TOTAL,
        "waits that quotas imposed, by tenant and quota"
    );
    describe_histogram!(PRODUCE_HELD_SECONDS, "time produces waited for a takeover");
    describe_counter!(DENIED_TOTAL, "operations denied by access control lists, by API");
    describe_counter!(AUDIT_DROPPED_TOTAL, "audit events that are not in the audit log");
}

/// Where fetched bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServedBy {
    /// The partition's owner.
    Node,
    /// A cold reader.
    Reader,
}

pub(crate) fn answered(api: ApiKey, error: ErrorCode, took: Duration) {
    let api = api_name(api);
    counter!(REQUESTS_TOTAL, "api" => api, "error" => error.name()).increment(1);
    histogram!(REQUEST_SECONDS, "api" => api).record(took.as_secs_f64());
    if error == ErrorCode::UnknownServerError {
        counter!(UNKNOWN_SERVER_ERRORS_TOTAL, "api" => api).increment(1);
        tracing::error!(api, "answered with UNKNOWN_SERVER_ERROR");
    }
}

pub(crate) fn fetched(served_by: ServedBy, bytes: usize) {
    let tier = match served_by {
        ServedBy::Node => "hot",
        ServedBy::Reader => "cold",
    };
    counter!(FETCH_BYTES_TOTAL, "tier" => tier).increment(bytes as u64);
}

pub(crate) fn produced(bytes: usize) {
    counter!(PRODUCE_BYTES_TOTAL).increment(bytes as u64);
}

pub(crate) fn recompressed(took: Duration) {
    histogram!(RECOMPRESS_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn connections(open: usize) {
    gauge!(CONNECTIONS).set(open as f64);
}

pub(crate) fn strangers(served: usize, waiting: usize) {
    gauge!(UNAUTHENTICATED_CONNECTIONS, "state" => "served").set(served as f64);
    gauge!(UNAUTHENTICATED_CONNECTIONS, "state" => "waiting").set(waiting as f64);
}

/// `how` is `full`, `resumed`, or why it failed.
pub(crate) fn handshake(how: &'static str) {
    counter!(TLS_HANDSHAKES_TOTAL, "how" => how).increment(1);
}

pub(crate) fn certificate(listener: &str, expires_s: i64) {
    let listener = listener.to_owned();
    gauge!(TLS_CERTIFICATE_EXPIRY_SECONDS, "listener" => listener).set(expires_s as f64);
}

pub(crate) fn certificates_reloaded(listener: &str, is_used: bool) {
    let (listener, result) = (listener.to_owned(), if is_used { "used" } else { "refused" });
    counter!(TLS_RELOADS_TOTAL, "listener" => listener, "result" => result).increment(1);
}

pub(crate) fn refused(limit: &'static str) {
    counter!(CONNECTIONS_REFUSED_TOTAL, "limit" => limit).increment(1);
}

pub(crate) fn disconnected(reason: &'static str) {
    counter!(DISCONNECTS_TOTAL, "reason" => reason).increment(1);
}

pub(crate) fn authenticated(mechanism: &'static str, outcome: &'static str) {
    counter!(AUTHENTICATIONS_TOTAL, "mechanism" => mechanism, "outcome" => outcome).increment(1);
}

pub(crate) fn cold_read(took: Duration) {
    histogram!(COLD_READ_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn cold_read_left() {
    counter!(COLD_READS_LEFT_TOTAL).increment(1);
}

pub(crate) fn reader_passed_over() {
    counter!(READERS_PASSED_OVER_TOTAL).increment(1);
}

/// The API's name as a label. `ApiKey` has a `Debug` form only, which is not `'static`.
pub(crate) fn api_name(api: ApiKey) -> &'static str {
    match api {
        ApiKey::Produce => "Produce",
        ApiKey::Fetch => "Fetch",
        ApiKey::ListOffsets => "ListOffsets",
        ApiKey::Metadata => "Metadata",
        ApiKey::OffsetCommit => "OffsetCommit",
        ApiKey::OffsetFetch => "OffsetFetch",
        ApiKey::FindCoordinator => "FindCoordinator",
        ApiKey::JoinGroup => "JoinGroup",
        ApiKey::Heartbeat => "Heartbeat",
        ApiKey::LeaveGroup => "LeaveGroup",
        ApiKey::ConsumerGroupHeartbeat => "ConsumerGroupHeartbeat",
        ApiKey::ConsumerGroupDescribe => "ConsumerGroupDescribe",
        ApiKey::SyncGroup => "SyncGroup",
        ApiKey::DescribeGroups => "DescribeGroups",
        ApiKey::ListGroups => "ListGroups",
        ApiKey::SaslHandshake => "SaslHandshake",
        ApiKey::SaslAuthenticate => "SaslAuthenticate",
        ApiKey::ApiVersions => "ApiVersions",
        ApiKey::CreateTopics => "CreateTopics",
        ApiKey::DeleteTopics => "DeleteTopics",
        ApiKey::DeleteRecords => "DeleteRecords",
        ApiKey::InitProducerId => "InitProducerId",
        ApiKey::OffsetForLeaderEpoch => "OffsetForLeaderEpoch",
        ApiKey::DescribeConfigs => "DescribeConfigs",
        ApiKey::CreatePartitions => "CreatePartitions",
        ApiKey::DeleteGroups => "DeleteGroups",
        ApiKey::OffsetDelete => "OffsetDelete",
        ApiKey::DescribeClientQuotas => "DescribeClientQuotas",
        ApiKey::AlterClientQuotas => "AlterClientQuotas",
        ApiKey::DescribeCluster => "DescribeCluster",
        ApiKey::DescribeUserScramCredentials => "DescribeUserScramCredentials",
        ApiKey::AlterUserScramCredentials => "AlterUserScramCredentials",
        ApiKey::DescribeAcls => "DescribeAcls",
        ApiKey::CreateAcls => "CreateAcls",
        ApiKey::DeleteAcls => "DeleteAcls",
        ApiKey::AlterConfigs => "AlterConfigs",
        ApiKey::AlterReplicaLogDirs => "AlterReplicaLogDirs",
        ApiKey::DescribeLogDirs => "DescribeLogDirs",
        ApiKey::ElectLeaders => "ElectLeaders",
        ApiKey::IncrementalAlterConfigs => "IncrementalAlterConfigs",
        ApiKey::AlterPartitionReassignments => "AlterPartitionReassignments",
        ApiKey::ListPartitionReassignments => "ListPartitionReassignments",
        ApiKey::ListConfigResources => "ListConfigResources",
        ApiKey::DescribeTopicPartitions => "DescribeTopicPartitions",
        ApiKey::DescribeProducers => "DescribeProducers",
        ApiKey::AddPartitionsToTxn => "AddPartitionsToTxn",
        ApiKey::AddOffsetsToTxn => "AddOffsetsToTxn",
        ApiKey::EndTxn => "EndTxn",
        ApiKey::TxnOffsetCommit => "TxnOffsetCommit",
        ApiKey::DescribeTransactions => "DescribeTransactions",
        ApiKey::ListTransactions => "ListTransactions",
        _ => "other",
    }
}

pub(crate) fn denied(api: &'static str) {
    counter!(DENIED_TOTAL, "api" => api).increment(1);
}

pub(crate) fn audit_dropped(lines: u64) {
    counter!(AUDIT_DROPPED_TOTAL).increment(lines);
}

pub(crate) fn node_given_up() {
    counter!(NODES_GIVEN_UP_TOTAL).increment(1);
}

/// A client of a tenant waits for one of its quotas.
pub(crate) fn throttled(tenant: TenantId, quota: &'static str, wait: Duration) {
    let tenant = tenant.to_string();
    let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    counter!(THROTTLED_TOTAL, "tenant" => tenant.clone(), "quota" => quota).increment(1);
    counter!(THROTTLE_MILLISECONDS_TOTAL, "tenant" => tenant, "quota" => quota)
        .increment(milliseconds);
}

pub(crate) fn produce_followed(batches: usize) {
    counter!(PRODUCE_FOLLOWED_TOTAL).increment(batches as u64);
}

pub(crate) fn produce_held(time: Duration) {
    histogram!(PRODUCE_HELD_SECONDS).record(time.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_served_api_has_a_label() {
        for api in protocol::versions::APIS {
            assert_eq!(api_name(api.key), format!("{:?}", api.key), "add it to `api_name`");
        }
    }
}
