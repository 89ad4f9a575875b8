//! What operators ask of control about releases.

/// Has the cluster write as the newest release that every live process knows.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FinishReleaseRequest {
    /// That release, as the asking side understands it; control refuses another.
    #[prost(uint32, tag = "1")]
    pub release: u32,
}

/// What became of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FinishReleaseResponse {
    /// Kafka error code; 0 if it is done, or was done before.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// What is wrong, in words.
    #[prost(string, tag = "2")]
    pub message: String,
    /// As which release the cluster writes now, if it is done.
    #[prost(uint32, tag = "3")]
    pub release: u32,
}
