//! Narrows the cluster to what one tenant can see.
//!
//! Innermost before the route: from here on topics are looked up in a [`Catalogue`] of one tenant,
//! and a route has no other way to find one (R56). Names need no rewriting, for they never leave
//! the gateway: behind it, topics are ids.

use std::task::{Context, Poll};

use metadata::ClusterView;
use tower::{Layer, Service};

use crate::call::{Authorised, Scoped};
use crate::catalogue::Catalogue;
#[cfg(test)]
use crate::layers::Stages;

/// Gives each request its tenant's catalogue.
pub(crate) struct Namespace<S> {
    inner: S,
    view: ClusterView,
}

/// Puts [`Namespace`] in front of a service.
pub(crate) struct NamespaceLayer(ClusterView);

// === impl NamespaceLayer ===

impl NamespaceLayer {
    pub(crate) fn new(view: ClusterView) -> Self {
        Self(view)
    }
}

impl<S> Layer<S> for NamespaceLayer {
    type Service = Namespace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Namespace { inner, view: self.0.clone() }
    }
}

// === impl Namespace ===

impl<S: Service<Scoped>> Service<Authorised> for Namespace<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, Authorised { call, grants }: Authorised) -> Self::Future {
        let catalogue = Catalogue::new(self.view.clone(), call.identity.tenant);
        self.inner.call(Scoped { call, grants, catalogue })
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Namespace<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("namespace");
        self.inner.stages(names);
    }
}
