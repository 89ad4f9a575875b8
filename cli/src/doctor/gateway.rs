//! What clients are told: whether they can find the hosts that this gateway names.

use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Finding;

/// Longer than resolvers try.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn examine(config: &::gateway::Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for listener in &config.listeners {
        findings.push(advertised(&listener.bind, listener.advertised_host.as_deref()).await);
    }
    findings
}

async fn advertised(bind: &str, advertised: Option<&str>) -> Finding {
    let what = "advertised host";
    let fix = "set advertised_host to a name that clients resolve to this machine";
    let host = advertised.unwrap_or_else(|| bind.rsplit_once(':').map_or(bind, |(host, _)| host));
    if matches!(host, "0.0.0.0" | "[::]" | "::") {
        return Finding::bad(what, format!("clients would be told to connect to {host}"), fix);
    }
    match timeout(PATIENCE, lookup_host((host.trim_matches(['[', ']']), 0))).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.map(|address| address.ip().to_string()).collect();
            Finding::good(what, format!("{host} is {}", addresses.join(", ")))
        }
        Ok(Err(error)) => Finding::bad(what, format!("{host}: {error}"), fix),
        Err(_) => Finding::bad(what, format!("{host}: no answer from DNS in {PATIENCE:?}"), fix),
    }
}
