//! Who is asking: a state machine per connection, not per request (R47).
//!
//! ```text
//! Known                     no SASL: the listener's anonymous, or whom a certificate names
//! Unknown => Known          SASL; before Known, only the requests that authentication itself
//!                           needs pass (R60)
//! ```
//!
//! Before the quota, which is charged to an identity, and before decoding, so that a stranger's
//! bytes reach no decoder.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use protocol::StrBytes;
use protocol::ids::TenantId;
use protocol::messages::ApiKey;
use tower::{Layer, Service};

use crate::call::{Client, Disconnect, Identified, Identity, Inbound};
#[cfg(test)]
use crate::layers::Stages;

/// The principal of those who did not say who they are, as Kafka names it.
const ANONYMOUS: &str = "User:ANONYMOUS";

/// Knows who is at the other end of one connection.
#[derive(Debug)]
pub(crate) struct Authentication<S> {
    inner: S,
    state: State,
}

/// Puts [`Authentication`] in front of one connection's service.
#[derive(Debug)]
pub(crate) struct AuthenticationLayer(State);

/// How far a connection's authentication has come.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// Not said yet.
    Unknown,
    /// Somebody.
    Known(Arc<Identity>),
}

// === impl AuthenticationLayer ===

impl AuthenticationLayer {
    /// The state in which `client` begins.
    pub(crate) fn new(client: &Client) -> Self {
        if client.listener.security.is_sasl() {
            return Self(State::Unknown);
        }
        let mut identity = anonymous(client.tenant);
        if let Some(principal) = &client.principal {
            identity.principal = principal.clone();
        }
        Self(State::Known(Arc::new(identity)))
    }
}

fn anonymous(tenant: TenantId) -> Identity {
    Identity { tenant, principal: StrBytes::from_static_str(ANONYMOUS) }
}

impl<S> Layer<S> for AuthenticationLayer {
    type Service = Authentication<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authentication { inner, state: self.0.clone() }
    }
}

// === impl Authentication ===

impl<S> Authentication<S> {
    /// Whether the connection said who it is: decides how long its frames may be (R61).
    pub(crate) fn is_known(&self) -> bool {
        matches!(self.state, State::Known(_))
    }
}

impl<S> Service<Inbound> for Authentication<S>
where
    S: Service<Identified, Error = Disconnect>,
{
    type Response = S::Response;
    type Error = Disconnect;
    type Future = Either<Ready<Result<S::Response, Disconnect>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        let identity = match &self.state {
            State::Known(identity) => Arc::clone(identity),
            // Versions may be asked for by anybody, and again after authentication.
            State::Unknown if inbound.header.api() == Some(ApiKey::ApiVersions) => {
                Arc::new(anonymous(inbound.client.tenant))
            }
            State::Unknown => return Either::Left(ready(Err(Disconnect::Unauthenticated))),
        };
        Either::Right(self.inner.call(Identified { inbound, identity }))
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Authentication<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("authentication");
        self.inner.stages(names);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::header::RequestHeader;
    use tokio::time::Instant;
    use tower::service_fn;

    use super::*;

    fn inbound(api: ApiKey) -> Inbound {
        let header = RequestHeader {
            api_key: api as i16,
            api_version: 0,
            correlation_id: 1,
            client_id: None,
        };
        let client = Arc::new(Client::for_tests());
        Inbound { header, body: Bytes::new(), client, received: Instant::now() }
    }

    #[tokio::test]
    async fn a_stranger_may_ask_for_versions_and_nothing_else() {
        let inner = service_fn(|identified: Identified| async move {
            Ok::<_, Disconnect>(identified.identity.tenant)
        });
        let mut service = Authentication { inner, state: State::Unknown };
        assert!(!service.is_known());
        assert!(service.call(inbound(ApiKey::ApiVersions)).await.is_ok());
        for api in [ApiKey::Metadata, ApiKey::Produce, ApiKey::Fetch] {
            let refused = service.call(inbound(api)).await;
            assert!(matches!(refused, Err(Disconnect::Unauthenticated)), "{api:?}");
        }
    }

    #[tokio::test]
    async fn whom_a_certificate_names_is_known_from_the_start() {
        let inner =
            service_fn(
                |identified: Identified| async move { Ok::<_, Disconnect>(identified.identity) },
            );
        let principal = StrBytes::from_static_str("User:CN=orders");
        let client = Client {
            principal: Some(principal.clone()),
            tenant: TenantId(7),
            ..Client::for_tests()
        };
        let mut service = AuthenticationLayer::new(&client).layer(inner);
        let identity = service.call(inbound(ApiKey::Metadata)).await.unwrap();
        assert_eq!(*identity, Identity { tenant: TenantId(7), principal });
    }

    #[tokio::test]
    async fn everybody_on_a_plaintext_listener_is_the_default_tenant() {
        let inner =
            service_fn(
                |identified: Identified| async move { Ok::<_, Disconnect>(identified.identity) },
            );
        let request = inbound(ApiKey::Metadata);
        let mut service = AuthenticationLayer::new(&request.client).layer(inner);
        let identity = service.call(request).await.unwrap();
        assert_eq!(identity.tenant, TenantId::DEFAULT);
        assert_eq!(identity.principal.as_str(), "User:ANONYMOUS");
    }
}
