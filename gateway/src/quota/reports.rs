//! Tells control what this gateway wants of which quota, about once a second, and takes what it is
//! given.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hop::HopHeader;
use hop::internal::{QuotaWant, ShareQuotasRequest};
use metadata::settings::SettingKind;
use process::Drain;
use protocol::ids::{BrokerId, TenantId};
use tokio::time::{Instant, sleep};

use super::Quotas;
use crate::limits::{QUOTA_REPORT_INTERVAL, QUOTA_REPORT_PAUSE, QUOTA_REPORT_TIMEOUT};
use crate::upstream::Upstream;

/// Reports for one gateway.
pub(crate) struct Reporter {
    quotas: Arc<Quotas>,
    upstream: Upstream,
    gateway: BrokerId,
}

// === impl Reporter ===

impl Reporter {
    pub(crate) fn new(quotas: Arc<Quotas>, upstream: Upstream, gateway: BrokerId) -> Self {
        Self { quotas, upstream, gateway }
    }

    /// Reports until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        let draining = drain.draining();
        let mut draining = std::pin::pin!(draining);
        let mut told = Instant::now();
        let mut seen = HashMap::new();
        loop {
            self.count_gateways();
            self.quotas.follow(&mut seen);
            tokio::select! {
                biased;
                () = &mut draining => return,
                () = self.next() => {}
            }
            tokio::select! {
                biased;
                () = &mut draining => return,
                () = self.report(told.elapsed()) => {}
            }
            told = Instant::now();
        }
    }

    /// The next report's time: sooner if a client waits that control has not heard of.
    async fn next(&self) {
        sleep(QUOTA_REPORT_PAUSE).await;
        tokio::select! {
            () = sleep(QUOTA_REPORT_INTERVAL - QUOTA_REPORT_PAUSE) => {}
            () = self.quotas.accounts.common.hungry.notified() => {}
        }
    }

    fn count_gateways(&self) -> usize {
        let gateways = self.quotas.view.gateways();
        let is_listed = gateways.iter().any(|gateway| gateway.broker_id == self.gateway);
        let count = gateways.len() + usize::from(!is_listed);
        self.quotas.accounts.common.set_gateways(count);
        count
    }

    /// One report, also without wants: control keeps the part of a gateway that it does not hear.
    async fn report(&self, passed: Duration) {
        let accounts = &self.quotas.accounts;
        let wants = accounts.wants(passed.as_secs_f64());
        let quotas = self.quotas.view.settings_of_all(SettingKind::Quota);
        let are_some = quotas.iter().any(|(_, settings)| !settings.entries.is_empty());
        if !are_some || self.count_gateways() <= 1 {
            return;
        }
        let Some(leader) = self.quotas.view.leader() else { return };
        let (accounts_of, wants): (Vec<_>, Vec<_>) = wants.into_iter().unzip();
        let wants = wants.into_iter().map(|want| {
            let quota::Want { key, rate, demand } = want;
            QuotaWant { key: key.into(), rate, demand }
        });
        let question = ShareQuotasRequest {
            gateway: self.gateway.0,
            adopted: accounts.common.adopted(),
            wants: wants.collect(),
        };
        let header = HopHeader::internal(TenantId::SYSTEM, QUOTA_REPORT_TIMEOUT);
        let sent = accounts.common.now();
        match self.upstream.ask(&leader.address, header, question).await {
            Ok(answer) if answer.error_code == 0 && answer.shares.len() == accounts_of.len() => {
                let granted = accounts_of.into_iter().zip(answer.shares);
                accounts.adopt(answer.sequence, sent, granted);
            }
            Ok(answer) => tracing::debug!(code = answer.error_code, "no shares of quotas yet"),
            Err(error) => tracing::debug!(%error, "control did not answer about quotas"),
        }
    }
}
