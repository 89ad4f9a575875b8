//! The metadata store: whether it answers, how fast, and whether it can lose a member.

use std::time::Duration;

use ::metadata::keys::Key;
use tokio::time::{Instant, timeout};

use super::Finding;
use crate::files::Metadata;

/// As long as any role would wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// Leases last seconds: a store as slow as this loses them now and then.
const SLOW: Duration = Duration::from_millis(200);

pub(super) async fn examine(section: &Metadata) -> Vec<Finding> {
    let mut findings = vec![answers(section).await];
    let members = section.url.strip_prefix("etcd://").map(|rest| rest.split(',').count());
    if members == Some(1) {
        findings.push(Finding::poor(
            "metadata members",
            "one etcd endpoint is named",
            "name three or five in metadata.url: with one, its machine is the cluster's",
        ));
    }
    findings
}

async fn answers(section: &Metadata) -> Finding {
    let what = "metadata store";
    let fix = "start etcd, or correct metadata.url";
    let asked = async {
        let tls = section.etcd_tls().map_err(|error| error.to_string())?;
        let store =
            ::metadata::open_over(&section.url, tls).await.map_err(|error| error.to_string())?;
        let started = Instant::now();
        let cluster = store.get(&Key::Cluster.to_string()).await;
        let cluster = cluster.map_err(|error| error.to_string())?;
        Ok::<_, String>((cluster.is_some(), started.elapsed()))
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok((founded, took))) => {
            let cluster = if founded { "" } else { ", holds no cluster yet (control founds it)" };
            let seen = format!("{} answers in {took:.1?}{cluster}", section.url);
            if took > SLOW {
                Finding::poor(what, seen, "its disk or the way to it is too slow for leases")
            } else {
                Finding::good(what, seen)
            }
        }
        Ok(Err(error)) => Finding::bad(what, error, fix),
        Err(_) => Finding::bad(what, format!("{} is silent for {PATIENCE:?}", section.url), fix),
    }
}
