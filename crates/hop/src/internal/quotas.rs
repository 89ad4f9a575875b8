//! What gateways and control say to each other about quotas (see the crate `quota`).

use bytes::Bytes;

/// A gateway tells control what its clients want of which quota.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ShareQuotasRequest {
    /// The gateway's broker id.
    #[prost(int32, tag = "1")]
    pub gateway: i32,
    /// The answer that it goes by; 0 for none.
    #[prost(uint64, tag = "2")]
    pub adopted: u64,
    /// What it wants more of than it has without asking.
    #[prost(message, repeated, tag = "3")]
    pub wants: Vec<QuotaWant>,
}

/// One entity's demand in one gateway.
#[derive(Clone, PartialEq, prost::Message)]
pub struct QuotaWant {
    /// Names the entity and what of it is limited.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// The quota, per second and for all gateways.
    #[prost(double, tag = "2")]
    pub rate: f64,
    /// What was used per second, and what is owed.
    #[prost(double, tag = "3")]
    pub demand: f64,
}

/// The gateway's shares, or why it gets none now.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ShareQuotasResponse {
    /// Kafka error code; 0 if there are shares.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// Names this answer.
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    /// Units per second, one for each want.
    #[prost(double, repeated, tag = "3")]
    pub shares: Vec<f64>,
}
