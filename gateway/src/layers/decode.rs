//! Bytes to a request on the way in, an answer to bytes on the way out.
//!
//! After authentication and quota, so that only bytes of somebody we know, and that are paid for,
//! reach a decoder. What cannot be decoded ends the connection, as in Kafka: after it, nothing the
//! client sends can be trusted to mean what it says. The one exception, an ApiVersions of a version
//! we do not know, is answered (KIP-511).

use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use protocol::messages::{ApiKey, ApiVersionsRequest};
use protocol::request::{self, ClientRequest};
use protocol::response::ClientResponse;
use protocol::{ErrorCode, ProtocolError};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::call::{Call, Charged, Disconnect, Identified, Reply};
#[cfg(test)]
use crate::layers::Stages;
use crate::quota::{Mute, Toll};
use crate::{errors, metrics};

/// Decodes requests and encodes answers.
#[derive(Debug)]
pub(crate) struct Decode<S> {
    inner: S,
}

/// Puts [`Decode`] in front of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecodeLayer;

impl<S> Layer<S> for DecodeLayer {
    type Service = Decode<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Decode { inner }
    }
}

// === impl Decode ===

impl<S> Service<Charged> for Decode<S>
where
    S: Service<Call, Response = Option<ClientResponse>, Error = Disconnect>,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = Disconnect;
    type Future = BoxFuture<'static, Result<Reply, Disconnect>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, Charged { identified, toll }: Charged) -> Self::Future {
        let Identified { inbound, identity } = identified;
        let (header, received) = (inbound.header, inbound.received);
        let request = match request::decode(&header, inbound.body) {
            Ok(request) => request,
            Err(error) if is_unknown_api_versions(&error) => {
                ClientRequest::ApiVersions(ApiVersionsRequest::default())
            }
            Err(error) => return futures::future::ready(Err(error.into())).boxed(),
        };
        let (version, correlation_id, api) =
            (header.api_version, header.correlation_id, request.api());
        let to_pay = toll.clone();
        let call = Call { header, client: inbound.client, identity, toll, request };
        let answer = self.inner.call(call);
        async move {
            let mut answer = answer.await?;
            let mute = answer.as_mut().map(|answer| throttle(answer, &to_pay)).unwrap_or_default();
            let reply = encode(answer, api, version, correlation_id, received)?;
            Ok(Reply { mute, ..reply })
        }
        .boxed()
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Decode<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("decode");
        self.inner.stages(names);
    }
}

/// Has the answer say how long its client should wait, and by whom it was said if not by us.
fn throttle(answer: &mut ClientResponse, toll: &Toll) -> Mute {
    let mute = Mute::of_milliseconds(answer.throttle_time_ms());
    toll.settle(answer);
    mute
}

fn encode(
    answer: Option<ClientResponse>,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    received: Instant,
) -> Result<Reply, Disconnect> {
    let error = answer.as_ref().map_or(ErrorCode::None, errors::first_error);
    metrics::answered(api, error, received.elapsed());
    let background = matches!(&answer, Some(ClientResponse::Fetch(fetch)) if fetch.cold);
    let frame = answer.map(|answer| answer.encode(version, correlation_id)).transpose()?;
    Ok(Reply { frame, background, ..Reply::default() })
}

fn is_unknown_api_versions(error: &ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::UnsupportedVersion { api_key, .. } if *api_key == ApiKey::ApiVersions as i16
    )
}
