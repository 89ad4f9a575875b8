//! What the hop counts. Handles are looked up once: a lookup costs more than a count.

use std::time::Duration;

use metrics::{Counter, Histogram, Unit};

use crate::{api::Api, error::HopError};

/// From call to answer, as the caller sees it.
const CALL_SECONDS: &str = "hop_call_seconds";
/// Calls without an answer.
const CALL_ERRORS_TOTAL: &str = "hop_call_errors_total";
/// From the handler's start to its answer.
const HANDLE_SECONDS: &str = "hop_handle_seconds";
/// Requests that the handler took and did not answer.
const HANDLE_FAILURES_TOTAL: &str = "hop_handle_failures_total";

/// Connections and requests that this process did not take.
const REFUSALS_TOTAL: &str = "hop_refusals_total";
/// The end of the process's own certificate for other processes.
const CERTIFICATE_EXPIRY: &str = "hop_certificate_expiry_seconds";
/// Looks at certificates that had changed.
const CERTIFICATE_RELOADS_TOTAL: &str = "hop_certificate_reloads_total";

/// Tells the recorder what the metrics mean.
fn describe() {
    metrics::describe_counter!(
        REFUSALS_TOTAL,
        Unit::Count,
        "Connections of peers that were not let in (reason slow, io, tls, identity, secret, role, \
         version; strangers, members: too many of them), and requests that the peer's role may not ask (request)"
    );
    metrics::describe_histogram!(
        CALL_SECONDS,
        Unit::Seconds,
        "Time from calling a peer to its answer, by api"
    );
    metrics::describe_counter!(
        CALL_ERRORS_TOTAL,
        Unit::Count,
        "Calls to peers that got no answer, by api and error"
    );
    metrics::describe_histogram!(
        HANDLE_SECONDS,
        Unit::Seconds,
        "Time from taking a peer's request to its answer, by api"
    );
    metrics::describe_counter!(
        HANDLE_FAILURES_TOTAL,
        Unit::Count,
        "Requests of peers that failed inside, by api"
    );
}

/// A process that has certificates.
pub(crate) fn certificate(expires_s: i64) {
    metrics::describe_gauge!(
        CERTIFICATE_EXPIRY,
        Unit::Seconds,
        "Unix time at which the certificate for other processes of the cluster ends"
    );
    metrics::gauge!(CERTIFICATE_EXPIRY).set(expires_s as f64);
}

/// They changed, and are used or not.
pub(crate) fn certificates_reloaded(is_used: bool) {
    metrics::describe_counter!(
        CERTIFICATE_RELOADS_TOTAL,
        Unit::Count,
        "Changes of the certificates for other processes, by result (used, refused)"
    );
    let result = if is_used { "used" } else { "refused" };
    metrics::counter!(CERTIFICATE_RELOADS_TOTAL, "result" => result).increment(1);
}

/// Counts of the calling end.
pub(crate) struct ClientMetrics {
    seconds: Vec<Histogram>,
}

/// Counts of the serving end.
pub(crate) struct ServerMetrics {
    seconds: Vec<Histogram>,
    failures: Vec<Counter>,
}

impl ClientMetrics {
    pub(crate) fn new() -> Self {
        describe();
        Self { seconds: per_api(|api| metrics::histogram!(CALL_SECONDS, "api" => api.name())) }
    }

    pub(crate) fn answered(&self, api: Api, took: Duration) {
        self.seconds[api as usize].record(took);
    }

    /// Errors are rare: theirs are looked up.
    pub(crate) fn failed(&self, api: Api, error: &HopError) {
        let labels = [("api", api.name()), ("error", error.label())];
        metrics::counter!(CALL_ERRORS_TOTAL, &labels).increment(1);
    }
}

impl ServerMetrics {
    pub(crate) fn new() -> Self {
        describe();
        Self {
            seconds: per_api(|api| metrics::histogram!(HANDLE_SECONDS, "api" => api.name())),
            failures: per_api(|api| metrics::counter!(HANDLE_FAILURES_TOTAL, "api" => api.name())),
        }
    }

    /// Refusals are rare: theirs are looked up.
    pub(crate) fn refused(&self, reason: &'static str) {
        metrics::counter!(REFUSALS_TOTAL, "reason" => reason).increment(1);
    }

    pub(crate) fn answered(&self, api: Api, took: Duration, well: bool) {
        self.seconds[api as usize].record(took);
        if !well {
            self.failures[api as usize].increment(1);
        }
    }
}

/// One per API, in the order of the table, which is that of the enum.
fn per_api<T>(handle: impl Fn(Api) -> T) -> Vec<T> {
    Api::ALL.iter().map(|api| handle(*api)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_the_index_of_its_handle() {
        for (at, api) in Api::ALL.iter().enumerate() {
            assert_eq!(*api as usize, at, "{api:?}");
        }
    }
}
