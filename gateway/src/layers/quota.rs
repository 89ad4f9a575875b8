//! How much a tenant may ask: requests and bytes are charged here, before they cost a decode.
//!
//! The key is tenant and principal, never the client id, which anybody may choose (R64). A client
//! above its quota is answered at once and then not read from for a while (KIP-219): delaying the
//! answer would only make it time out and ask again.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{MapOk, TryFutureExt};
use tower::{Layer, Service};

use crate::call::{Disconnect, Identified, Identity, Reply};
#[cfg(test)]
use crate::layers::Stages;

/// Decides what a request costs its sender.
pub(crate) trait Quotas: Send + Sync + 'static {
    /// Charges one request of `bytes`; says how long its sender should be left alone.
    fn charge(&self, identity: &Identity, bytes: usize) -> Duration;
}

/// No quota at all: what a cluster without configured quotas has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unlimited;

impl Quotas for Unlimited {
    fn charge(&self, _identity: &Identity, _bytes: usize) -> Duration {
        Duration::ZERO
    }
}

/// Charges requests.
pub(crate) struct Quota<S> {
    inner: S,
    quotas: Arc<dyn Quotas>,
}

/// Puts [`Quota`] in front of a service.
pub(crate) struct QuotaLayer(Arc<dyn Quotas>);

/// Adds the pause to a reply.
type Mute = Box<dyn FnOnce(Reply) -> Reply + Send>;

// === impl QuotaLayer ===

impl QuotaLayer {
    pub(crate) fn new(quotas: Arc<dyn Quotas>) -> Self {
        Self(quotas)
    }
}

impl<S> Layer<S> for QuotaLayer {
    type Service = Quota<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Quota { inner, quotas: Arc::clone(&self.0) }
    }
}

// === impl Quota ===

impl<S> Service<Identified> for Quota<S>
where
    S: Service<Identified, Response = Reply, Error = Disconnect>,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Disconnect;
    type Future = MapOk<S::Future, Mute>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Identified) -> Self::Future {
        let mute = self.quotas.charge(&request.identity, request.inbound.body.len());
        let muted: Mute = Box::new(move |reply| Reply { mute: reply.mute.max(mute), ..reply });
        self.inner.call(request).map_ok(muted)
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Quota<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("quota");
        self.inner.stages(names);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::StrBytes;
    use protocol::header::RequestHeader;
    use protocol::ids::TenantId;
    use tokio::time::Instant;
    use tower::service_fn;

    use super::*;
    use crate::call::{Client, Inbound};

    /// A millisecond per byte, for one tenant only.
    struct PerByte;

    impl Quotas for PerByte {
        fn charge(&self, identity: &Identity, bytes: usize) -> Duration {
            if identity.tenant == TenantId(1) {
                Duration::from_millis(bytes as u64)
            } else {
                Duration::ZERO
            }
        }
    }

    fn request(tenant: u32) -> Identified {
        let client = Client::for_tests();
        let header =
            RequestHeader { api_key: 0, api_version: 9, correlation_id: 1, client_id: None };
        let inbound = Inbound {
            header,
            body: Bytes::from_static(&[0; 40]),
            client: Arc::new(client),
            received: Instant::now(),
        };
        let principal = StrBytes::default();
        Identified { inbound, identity: Arc::new(Identity { tenant: TenantId(tenant), principal }) }
    }

    #[tokio::test]
    async fn a_request_above_its_quota_is_answered_and_its_sender_muted() {
        let inner = service_fn(|_| async { Ok::<_, Disconnect>(Reply::default()) });
        let mut service = QuotaLayer::new(Arc::new(PerByte)).layer(inner);
        assert_eq!(service.call(request(1)).await.unwrap().mute, Duration::from_millis(40));
        assert_eq!(service.call(request(2)).await.unwrap().mute, Duration::ZERO);
    }
}
