//! How much a tenant and its clients may ask: requests and bytes are charged here, before they cost
//! a decode, and what an answer costs once it is known.
//!
//! A client above its quota is answered at once, told how long it has to wait, and not read from
//! until then (KIP-219): delaying the answer would only make it time out and ask again. What is
//! charged to whom is in [`crate::quota`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, FutureExt, Ready, ready};
use metadata::settings::quota::QuotaKey;
use protocol::messages::ApiKey;
use tower::{Layer, Service};

use crate::call::{Charged, Disconnect, Identified, Reply};
#[cfg(test)]
use crate::layers::Stages;
use crate::metrics;
use crate::quota::{Known, Place, Quotas, Toll};

/// Charges the requests of one connection.
pub(crate) struct Quota<S> {
    inner: S,
    quotas: Arc<Quotas>,
    known: Option<Known>,
    /// The connection's place among its tenant's; `None` before its first request.
    admitted: Option<Option<Place>>,
    has_fetched: bool,
}

/// Puts [`Quota`] in front of a service.
pub(crate) struct QuotaLayer(Arc<Quotas>);

/// A request under way, and what it costs.
pub(crate) struct Metered<F> {
    answer: F,
    toll: Toll,
}

// === impl QuotaLayer ===

impl QuotaLayer {
    pub(crate) fn new(quotas: Arc<Quotas>) -> Self {
        Self(quotas)
    }
}

impl<S> Layer<S> for QuotaLayer {
    type Service = Quota<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Quota {
            inner,
            quotas: Arc::clone(&self.0),
            known: None,
            admitted: None,
            has_fetched: false,
        }
    }
}

// === impl Quota ===

impl<S> Quota<S> {
    /// Takes a place among the tenant's connections, once. False if there is none.
    fn admit(&mut self, request: &Identified) -> bool {
        if self.admitted.is_some() {
            return true;
        }
        let tenant = request.identity.tenant;
        let rate = self.quotas.tenant(tenant, QuotaKey::ConnectionCreationRate);
        if rate.is_some_and(|rate| !rate.try_charge(1.0)) {
            metrics::refused("tenant_rate");
            return false;
        }
        let place = match self.quotas.tenant(tenant, QuotaKey::Connections) {
            None => None,
            Some(account) => match account.hold() {
                Some(place) => Some(place),
                None => {
                    metrics::refused("tenant");
                    return false;
                }
            },
        };
        self.admitted = Some(place);
        true
    }
}

impl<S> Service<Identified> for Quota<S>
where
    S: Service<Charged, Response = Reply, Error = Disconnect>,
    S::Future: Unpin,
{
    type Response = Reply;
    type Error = Disconnect;
    type Future = Either<Ready<Result<Reply, Disconnect>>, Metered<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Identified) -> Self::Future {
        // Whoever asks for versions may be somebody else after it has said who it is.
        let header = &request.inbound.header;
        if header.api() != Some(ApiKey::ApiVersions) && !self.admit(&request) {
            return Either::Left(ready(Err(Disconnect::TooManyConnections)));
        }
        let client_id = header.client_id.as_deref().unwrap_or_default();
        let sender = self.quotas.sender(&mut self.known, &request.identity, client_id);
        let fetches = header.api() == Some(ApiKey::Fetch);
        let toll = Toll::new(sender, fetches && !self.has_fetched);
        self.has_fetched |= fetches;
        toll.charge(QuotaKey::RequestRate, 1.0);
        if header.api() == Some(ApiKey::Produce) {
            toll.charge(QuotaKey::ProducerByteRate, request.inbound.body.len() as f64);
        }
        let charged = Charged { identified: request, toll: toll.clone() };
        let answer = toll.measure(|| self.inner.call(charged));
        Either::Right(Metered { answer, toll })
    }
}

impl<F> Future for Metered<F>
where
    F: Future<Output = Result<Reply, Disconnect>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { answer, toll } = &mut *self;
        let answer = toll.measure(|| answer.poll_unpin(cx));
        answer.map_ok(|mut reply| {
            reply.mute.merge(toll.close());
            reply
        })
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
mod tests;
