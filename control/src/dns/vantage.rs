//! A vantage point: looks at every gateway set from where it stands, and says what it finds.
//!
//! Its word stands in the metadata store under a lease that it renews after each look, so one that
//! hangs, or that is cut off from the store, has no voice; it writes only when it finds something else
//! than before. Every control process is one, and so is every `thermocline vantage`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all, select_ok};
use metadata::gateway_sets::{Finding, Findings};
use metadata::keys::vantage_point;
use metadata::model::Record;
use metadata::{LeaseId, MetadataError, MetadataStore, Txn};
use process::net::Net;
use process::{Clock, Drain};
use tokio::time::sleep;

use super::access::Access;
use super::config::{GatewaySetsConfig, VantageConfig, VantageSetConfig};
use super::probe::Probe;
use crate::limits::{FINDINGS_LEASE_MIN, PROBLEM_BYTES_MAX};

/// Looks until the drain begins.
pub async fn watch(
    config: VantageConfig,
    metadata: Arc<dyn MetadataStore>,
    net: Net,
    clock: Clock,
    drain: Drain,
) {
    let probe =
        Probe { net, clock, topic: config.probe.topic.clone(), timeout: config.probe.timeout };
    // Two looks in a row may be slow, and one renewal may be lost.
    let ttl = ((config.probe.interval + config.probe.timeout) * 2).max(FINDINGS_LEASE_MIN);
    let mut voice =
        Voice { key: vantage_point(&config.name), metadata, ttl, lease: None, said: None };
    let draining = drain.draining();
    tokio::pin!(draining);
    loop {
        let look = async {
            match Access::load(&config.probe).await {
                Ok(access) => {
                    let findings = look(&config, &probe, &access).await;
                    if let Err(error) = voice.say(findings).await {
                        tracing::warn!(%error, "what is found of the gateway sets cannot be said");
                        voice.lose();
                    }
                }
                // No gateway's fault: it has no voice when its lease is over.
                Err(error) => tracing::warn!(%error, "gateway sets cannot be looked at"),
            }
            sleep(config.probe.interval).await;
        };
        tokio::select! {
            () = &mut draining => break,
            () = look => {}
        }
    }
    voice.fall_silent().await;
}

/// The control process `control_id` as a vantage point.
pub(crate) fn of_control(control_id: &str, config: &GatewaySetsConfig) -> VantageConfig {
    let set = |set: &super::config::GatewaySetConfig| VantageSetConfig {
        name: set.name.clone(),
        probe: set.probe.clone(),
    };
    VantageConfig {
        name: control_id.to_owned(),
        zone: String::new(),
        sets: config.sets.iter().map(set).collect(),
        probe: config.probe.clone(),
    }
}

async fn look(config: &VantageConfig, probe: &Probe, access: &Access) -> Findings {
    let sets = config
        .sets
        .iter()
        .map(|set| async { (set.name.clone(), look_at(set, probe, access).await) });
    let sets: BTreeMap<_, _> = join_all(sets).await.into_iter().collect();
    for (set, finding) in &sets {
        tracing::debug!(set, finding.serves, finding.problem, "looked");
    }
    Findings { zone: config.zone.clone(), sets }
}

/// One address that serves is enough: clients find the gateways that are up by any of them.
async fn look_at(set: &VantageSetConfig, probe: &Probe, access: &Access) -> Finding {
    let looks: Vec<BoxFuture<'_, Result<(), String>>> = set
        .probe
        .iter()
        .map(|address| -> BoxFuture<'_, _> { Box::pin(probe.look(address, access)) })
        .collect();
    match select_ok(looks).await {
        Ok(_) => Finding { serves: true, problem: String::new() },
        Err(mut problem) => {
            let end = problem.floor_char_boundary(PROBLEM_BYTES_MAX);
            problem.truncate(end);
            Finding { serves: false, problem }
        }
    }
}

/// A vantage point's key, and what stands there.
struct Voice {
    key: String,
    metadata: Arc<dyn MetadataStore>,
    ttl: Duration,
    lease: Option<LeaseId>,
    said: Option<Findings>,
}

// === impl Voice ===

impl Voice {
    async fn say(&mut self, findings: Findings) -> Result<(), MetadataError> {
        let lease = match self.lease {
            Some(lease) => {
                self.metadata.keep_alive(lease).await?;
                lease
            }
            None => {
                let lease = self.metadata.grant_lease(self.ttl).await?;
                self.lease = Some(lease);
                lease
            }
        };
        if self.said.as_ref() == Some(&findings) {
            return Ok(());
        }
        let txn = Txn::new().put_leased(&self.key, findings.encode(), lease);
        // Nothing is compared: it is done or it failed.
        let _committed = self.metadata.txn(txn).await?;
        self.said = Some(findings);
        Ok(())
    }

    /// What stands there is not known any more: all of it is said again.
    fn lose(&mut self) {
        (self.lease, self.said) = (None, None);
    }

    async fn fall_silent(self) {
        let Some(lease) = self.lease else { return };
        if let Err(error) = self.metadata.revoke_lease(lease).await {
            tracing::info!(%error, "findings are left to expire");
        }
    }
}
