//! What a client may do: found out once per connection and revision, asked for per resource.
//!
//! After decoding, because what is asked for is in the body; before the route, so that no route
//! runs without grants. Without `authorisation.enabled` everything is granted, as in Kafka without
//! an authoriser. A change of the access control lists holds from the first request after this
//! gateway's view shows it, for connections of any age.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{Layer, Service};

use crate::audit::Audit;
use crate::authoriser::Authorisers;
use crate::call::{Authorised, Call};
use crate::grants::{Grants, Subject};
#[cfg(test)]
use crate::layers::Stages;

/// Finds the grants of a request's sender.
#[derive(Debug)]
pub(crate) struct Authorisation<S> {
    inner: S,
    source: AuthorisationLayer,
    /// The connection's client, as it was found last.
    subject: Option<Arc<Subject>>,
}

/// Puts [`Authorisation`] in front of a service.
#[derive(Debug, Clone)]
pub(crate) struct AuthorisationLayer {
    /// None if everything is granted to everybody.
    authorisers: Option<Arc<Authorisers>>,
    audit: Audit,
}

// === impl AuthorisationLayer ===

impl AuthorisationLayer {
    pub(crate) fn new(authorisers: Option<Arc<Authorisers>>, audit: Audit) -> Self {
        Self { authorisers, audit }
    }
}

impl<S> Layer<S> for AuthorisationLayer {
    type Service = Authorisation<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorisation { inner, source: self.clone(), subject: None }
    }
}

// === impl Authorisation ===

impl<S> Authorisation<S> {
    fn grants(&mut self, call: &Call) -> Grants {
        let Some(authorisers) = &self.source.authorisers else { return Grants::EVERYTHING };
        let identity = &call.identity;
        let authoriser = authorisers.of(identity.tenant);
        let known = self.subject.as_ref().filter(|subject| {
            Arc::ptr_eq(&subject.identity, identity) && subject.authority.is_of(&authoriser)
        });
        let subject = known.cloned().unwrap_or_else(|| {
            // As Java renders an address: entries name it without the host name before the slash.
            let host = call.client.host.trim_start_matches('/');
            Arc::new(Subject {
                authority: authorisers.authority(authoriser, identity, host),
                identity: Arc::clone(identity),
                host: host.into(),
                audit: self.source.audit.clone(),
            })
        });
        self.subject = Some(Arc::clone(&subject));
        Grants::new(subject, call.request.api())
    }
}

impl<S: Service<Authorised>> Service<Call> for Authorisation<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let grants = self.grants(&call);
        self.inner.call(Authorised { call, grants })
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Authorisation<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("authorisation");
        self.inner.stages(names);
    }
}
