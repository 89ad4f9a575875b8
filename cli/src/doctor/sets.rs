//! Gateway sets: whether DNS lets control change it, what resolvers say, and whether the sets serve.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use control::dns::{self, GatewaySetsConfig, ProbeConfig, VantageConfig};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Finding;

/// Longer than resolvers try.
const PATIENCE: Duration = Duration::from_secs(10);

/// What control depends on.
pub(super) async fn examine(config: &GatewaySetsConfig) -> Vec<Finding> {
    if config.is_off() {
        return Vec::new();
    }
    let mut findings = vec![authority(config).await];
    for (name, addresses) in dns::names(config) {
        findings.push(resolved(&name, &addresses).await);
    }
    for set in &config.sets {
        findings.push(serves(&set.name, &set.probe, &config.probe).await);
    }
    findings
}

/// What a vantage point depends on.
pub(super) async fn look_from(config: &VantageConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    for set in &config.sets {
        findings.push(serves(&set.name, &set.probe, &config.probe).await);
    }
    findings
}

async fn authority(config: &GatewaySetsConfig) -> Finding {
    let what = "DNS updates";
    match dns::try_dns(config).await {
        Ok(seen) => Finding::good(what, seen),
        Err(error) => {
            let fix = "let the key of control.gateway_sets change A and AAAA of the name and of all \
                brokers, and TXT at `_thermocline.` before it (docs/operations.md), or correct the key";
            Finding::bad(what, error.to_string(), fix)
        }
    }
}

/// Whether a client here is led to one of the sets.
async fn resolved(name: &str, addresses: &BTreeSet<IpAddr>) -> Finding {
    let what = "gateway set name";
    let found = match timeout(PATIENCE, lookup_host((name.trim_end_matches('.'), 0))).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect::<BTreeSet<_>>(),
        Ok(Err(error)) => {
            let fix = "control sets it once it leads; then see that this machine's resolver asks the \
                zone's servers";
            return Finding::poor(what, format!("{name}: {error}"), fix);
        }
        Err(_) => {
            let fix = "correct this machine's resolver (/etc/resolv.conf)";
            return Finding::bad(what, format!("{name}: no answer in {PATIENCE:?}"), fix);
        }
    };
    judge(name, &found, addresses)
}

fn judge(name: &str, found: &BTreeSet<IpAddr>, addresses: &BTreeSet<IpAddr>) -> Finding {
    let what = "gateway set name";
    let list = |them: &BTreeSet<IpAddr>| {
        them.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let foreign: BTreeSet<IpAddr> = found.difference(addresses).copied().collect();
    match foreign.is_empty() {
        true => Finding::good(what, format!("{name} is {}", list(found))),
        false => Finding::bad(
            what,
            format!("{name} is {}, and no set has {}", list(found), list(&foreign)),
            "correct the sets' addresses and brokers, or wait for resolvers to forget (the TTL)",
        ),
    }
}

async fn serves(set: &str, addresses: &[String], probe: &ProbeConfig) -> Finding {
    let what = "gateway set";
    let mut failed = Vec::new();
    for address in addresses {
        match dns::look(probe, address).await {
            Ok(()) => return Finding::good(what, format!("{set} serves at {address}")),
            Err(error) => failed.push(error),
        }
    }
    let fix =
        "start its gateways, or correct `probe`: a listener in plain text, of a tenant of its own";
    Finding::poor(what, format!("{set} does not serve: {}", failed.join("; ")), fix)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_name_that_leads_to_no_set_is_bad() {
        let addresses = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().expect("an address")).collect::<BTreeSet<IpAddr>>()
        };
        let of_sets = addresses(&["192.0.2.1", "192.0.2.9"]);
        let verdict = |found: &[&str]| judge("k.example.", &addresses(found), &of_sets).verdict;
        assert_eq!(verdict(&["192.0.2.9"]), Verdict::Good);
        assert_eq!(verdict(&["192.0.2.9", "192.0.2.10"]), Verdict::Bad);
    }
}
