//! The hop's side of a cold reader.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hop::internal::ColdFetchResponse;
use hop::{HopRequest, Response};
use process::{Clock, Drain};
use protocol::ErrorCode;
use segment::Store;

use crate::config::Config;

/// Answers cold fetches.
pub(crate) struct Server {}

impl Server {
    pub(crate) fn new(
        _config: &Config,
        _secret: [u8; 32],
        _store: Store,
        _clock: Clock,
        _drain: Drain,
    ) -> Self {
        Self {}
    }
}

impl hop::Handler for Server {
    fn call(&self, _request: HopRequest) -> BoxFuture<'static, Response> {
        let response = ColdFetchResponse {
            error_code: ErrorCode::KafkaStorageError.code(),
            ..ColdFetchResponse::default()
        };
        async { Response::ColdFetch(response) }.boxed()
    }
}
