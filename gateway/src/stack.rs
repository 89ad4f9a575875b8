//! The composition of the gateway: every stage from the socket to the route, outermost first.
//!
//! The order is a rule (R47) and a test of this file: limits, tls, frame limit, authentication,
//! quota, decode, authorisation, namespace, route. There is no retry, hedge or timeout stage, nor
//! may there be one: most of what passes here must not happen twice, and the routes that may try
//! again do so themselves (R37).

use std::sync::Arc;

use tower::ServiceBuilder;

use crate::call::Client;
use crate::connection::Connections;
use crate::context::Core;
use crate::layers::authentication::{Authentication, AuthenticationLayer};
use crate::layers::authorisation::{Authorisation, AuthorisationLayer};
use crate::layers::connection_limits::{ConnectionLimits, ConnectionLimitsLayer};
use crate::layers::decode::{Decode, DecodeLayer};
use crate::layers::namespace::{Namespace, NamespaceLayer};
use crate::layers::quota::{Quota, QuotaLayer};
use crate::layers::tls::{Door, Tls, TlsLayer};
use crate::route::Router;

/// What serves a listener: one call per accepted socket, for as long as the connection lasts.
pub(crate) type ConnectionStack = ConnectionLimits<Tls<Connections>>;

/// What serves one connection's requests. One per connection: stages may keep what they know
/// about their client.
pub(crate) type RequestStack = Authentication<Quota<Decode<Authorisation<Namespace<Router>>>>>;

/// From a listener's sockets to frames. The `limits` are those of all listeners together.
pub(crate) fn connections(
    core: &Arc<Core>,
    limits: ConnectionLimitsLayer,
    door: Door,
) -> ConnectionStack {
    ServiceBuilder::new()
        // Before anything is spent on a connection but its accept.
        .layer(limits)
        // Frames are inside of it.
        .layer(TlsLayer::new(Arc::clone(core), door))
        // Lengths are checked before memory is allocated for them; then requests() per frame.
        .service(Connections::new(Arc::clone(core)))
}

/// From a frame to its answer.
pub(crate) fn requests(core: &Arc<Core>, client: &Arc<Client>) -> RequestStack {
    ServiceBuilder::new()
        // Everything below happens on behalf of somebody.
        .layer(AuthenticationLayer::new(client, core.sasl.get(client.listener.name()).cloned()))
        // Charged to that somebody, before it costs us a decode.
        .layer(QuotaLayer::new(Arc::clone(&core.quotas)))
        // Only paid-for bytes of somebody we know reach a decoder.
        .layer(DecodeLayer)
        // What is asked for is known only now.
        .layer(AuthorisationLayer::new(core.authorisers.clone(), core.audit.clone()))
        // From here on there is one tenant in the world.
        .layer(NamespaceLayer::new(core.view.clone()))
        .service(Router::new(Arc::clone(core)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Stages;
    use crate::strangers::Strangers;

    #[tokio::test]
    async fn the_stages_stand_in_the_order_of_the_rule() {
        let core = Core::for_tests().await;
        let mut names = Vec::new();
        let strangers = Strangers::new(&core.config.limits);
        let quotas = Arc::clone(&core.quotas);
        let limits = ConnectionLimitsLayer::new(&core.config.limits, strangers, quotas);
        connections(&core, limits, Door::default()).stages(&mut names);
        assert_eq!(
            names,
            [
                "limits",
                "tls",
                "frame limit",
                "authentication",
                "quota",
                "decode",
                "authorisation",
                "namespace",
                "route",
            ]
        );
    }
}
