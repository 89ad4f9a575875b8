//! What a client may do: looked up once per request, asked for per resource.
//!
//! After decoding, because what is asked for is in the body; before the route, so that no route
//! runs without grants. Without access control lists everything is granted, as in Kafka without
//! an authoriser.

use std::task::{Context, Poll};

use tower::{Layer, Service};

use crate::call::{Authorised, Call};
#[cfg(test)]
use crate::layers::Stages;

/// What the sender of a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grants(());

/// Looks up the grants of a request's sender.
#[derive(Debug)]
pub(crate) struct Authorisation<S> {
    inner: S,
}

/// Puts [`Authorisation`] in front of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuthorisationLayer;

/// Kafka's operations by their number in `AclOperation`, which is also their bit.
mod operation {
    pub(super) const READ: u8 = 3;
    pub(super) const WRITE: u8 = 4;
    pub(super) const CREATE: u8 = 5;
    pub(super) const DELETE: u8 = 6;
    pub(super) const ALTER: u8 = 7;
    pub(super) const DESCRIBE: u8 = 8;
    pub(super) const CLUSTER_ACTION: u8 = 9;
    pub(super) const DESCRIBE_CONFIGS: u8 = 10;
    pub(super) const ALTER_CONFIGS: u8 = 11;
    pub(super) const IDEMPOTENT_WRITE: u8 = 12;
}

// === impl Grants ===

impl Grants {
    /// Everything, on everything of one's own tenant.
    pub(crate) const EVERYTHING: Self = Self(());

    /// The operations on a topic, as KIP-430 shows them.
    pub(crate) fn topic_operations(self) -> i32 {
        use operation::{
            ALTER, ALTER_CONFIGS, CREATE, DELETE, DESCRIBE, DESCRIBE_CONFIGS, READ, WRITE,
        };
        bits(&[READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS])
    }

    /// The operations on a group.
    pub(crate) fn group_operations(self) -> i32 {
        use operation::{ALTER_CONFIGS, DELETE, DESCRIBE, DESCRIBE_CONFIGS, READ};
        bits(&[READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS])
    }

    /// The operations on the cluster.
    pub(crate) fn cluster_operations(self) -> i32 {
        use operation::{
            ALTER, ALTER_CONFIGS, CLUSTER_ACTION, CREATE, DESCRIBE, DESCRIBE_CONFIGS,
            IDEMPOTENT_WRITE,
        };
        bits(&[
            CREATE,
            ALTER,
            DESCRIBE,
            CLUSTER_ACTION,
            DESCRIBE_CONFIGS,
            ALTER_CONFIGS,
            IDEMPOTENT_WRITE,
        ])
    }
}

fn bits(operations: &[u8]) -> i32 {
    operations.iter().fold(0, |bits, operation| bits | 1 << operation)
}

// === impl Authorisation ===

impl<S> Layer<S> for AuthorisationLayer {
    type Service = Authorisation<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorisation { inner }
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
        self.inner.call(Authorised { call, grants: Grants::EVERYTHING })
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Authorisation<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("authorisation");
        self.inner.stages(names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_the_bits_that_kafka_clients_decode() {
        // Sums over `AclEntry.supportedOperations` of Kafka 4.
        assert_eq!(Grants::EVERYTHING.topic_operations(), 3_576);
        assert_eq!(Grants::EVERYTHING.group_operations(), 3_400);
        assert_eq!(Grants::EVERYTHING.cluster_operations(), 8_096);
    }
}
