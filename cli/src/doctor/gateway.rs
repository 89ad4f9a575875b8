//! What clients see: whether they can find the hosts that this gateway names, and believe its
//! certificates.

use std::time::Duration;

use ::gateway::{ListenerConfig, TlsConfig};
use process::Clock;
use process::tls::Files;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Finding;
use super::certificates::{DAY_SECONDS, SOON_DAYS};

/// Longer than resolvers try.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn examine(config: &::gateway::Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for listener in &config.listeners {
        findings.push(advertised(told(listener)).await);
        if let Some(tls) = &listener.tls {
            let now_s = Clock::system().now_ms() / 1_000;
            findings.push(certificate(tls, told(listener), now_s).await);
        }
    }
    findings
}

/// The host that clients are told to connect to.
fn told(listener: &ListenerConfig) -> &str {
    let bound = || listener.bind.rsplit_once(':').map_or(&*listener.bind, |(host, _)| host);
    listener.advertised_host.as_deref().unwrap_or_else(bound)
}

async fn certificate(config: &TlsConfig, host: &str, now_s: i64) -> Finding {
    let what = "client certificate";
    let TlsConfig { certificate, key, client_ca, .. } = config.clone();
    let path = certificate.display().to_string();
    let loaded = match (Files { certificate, key, ca: client_ca }).load().await {
        Ok(loaded) => loaded,
        Err(error) => {
            let fix = "correct [gateway.listeners.tls], or have the certificate made anew";
            return Finding::bad(what, error.to_string(), fix);
        }
    };
    let days = (loaded.expires_s - now_s).div_euclid(DAY_SECONDS);
    let seen = format!("{path} ends in {days} days");
    if days < 0 {
        Finding::bad(what, format!("{path} has ended"), "replace the files")
    } else if !loaded.is_of_host(host) {
        let seen = format!("{path} is not that of {host}, which clients are told to connect to");
        Finding::bad(what, seen, "have it issued for that name, or correct advertised_host")
    } else if days < SOON_DAYS {
        Finding::poor(what, seen, "replace the files; running gateways take the new ones")
    } else {
        Finding::good(what, seen)
    }
}

async fn advertised(host: &str) -> Finding {
    let what = "advertised host";
    let fix = "set advertised_host to a name that clients resolve to this machine";
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

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::super::Verdict;
    use super::*;

    const YEAR_4096_S: i64 = 67_090_118_400;

    #[tokio::test]
    async fn a_certificate_is_for_the_host_that_clients_are_told_of_and_has_not_ended() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["kafka-1.example.org".to_owned()]).expect("it is made");
        let (certificate_path, key) = (folder.path().join("pem"), folder.path().join("key"));
        fs::write(&certificate_path, cert.pem()).expect("written");
        fs::write(&key, signing_key.serialize_pem()).expect("written");
        let config = |key: &std::path::Path| -> TlsConfig {
            let (certificate, key) = (certificate_path.display(), key.display());
            toml::from_str(&format!("certificate = '{certificate}'\nkey = '{key}'")).expect("read")
        };
        // rcgen's certificates are valid until the year 4096.
        for (host, now_s, verdict) in [
            ("kafka-1.example.org", 1_800_000_000, Verdict::Good),
            ("kafka-2.example.org", 1_800_000_000, Verdict::Bad),
            ("kafka-1.example.org", YEAR_4096_S - 9 * DAY_SECONDS, Verdict::Poor),
            ("kafka-1.example.org", YEAR_4096_S + 1_000 * DAY_SECONDS, Verdict::Bad),
        ] {
            let found = certificate(&config(&key), host, now_s).await;
            assert_eq!(found.verdict, verdict, "{host} at {now_s}: {found:?}");
        }
        let other = certificate(&config(&certificate_path), "x", 0).await;
        assert_eq!(other.verdict, Verdict::Bad, "no key in it: {other:?}");
    }
}
