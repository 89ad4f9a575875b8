//! Control, as far as a node asks it for producer ids.

use futures::FutureExt;
use futures::future::BoxFuture;
use hop::internal::AllocateProducerIdsResponse;
use hop::{Handler, HopRequest, Request, Response};

/// Hands out blocks of ten.
#[derive(Default)]
pub(crate) struct ProducerIdBlocks(parking_lot::Mutex<i64>);

impl Handler for ProducerIdBlocks {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        assert!(matches!(request.body, Request::AllocateProducerIds(_)));
        let mut next = self.0.lock();
        let first = *next;
        *next += 10;
        let block = AllocateProducerIdsResponse { error_code: 0, first, count: 10 };
        futures::future::ready(Response::AllocateProducerIds(block)).boxed()
    }
}
