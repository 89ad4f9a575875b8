//! Divides quotas among the gateways, for as long as this process leads (ADR 0029). Beside the
//! commands, not among them: a share that waits for a commit to the metadata log would be over.

use std::sync::Arc;

use hop::internal::{ShareQuotasRequest, ShareQuotasResponse};
use metadata::ClusterView;
use parking_lot::Mutex;
use protocol::ErrorCode;
use quota::{Ledger, Report, Want};
use tokio::time::Instant;

/// What one leader knows of all shares.
pub(crate) struct Shares {
    began: Instant,
    ledger: Mutex<Ledger>,
}

// === impl Shares ===

impl Shares {
    /// Those of a leader whose term begins.
    pub(crate) fn new(term: i64) -> Arc<Self> {
        let ledger = Ledger::new(term.unsigned_abs(), std::time::Duration::ZERO);
        Arc::new(Self { began: Instant::now(), ledger: Mutex::new(ledger) })
    }

    /// Answers a gateway.
    pub(crate) fn answer(
        &self,
        view: &ClusterView,
        request: ShareQuotasRequest,
    ) -> ShareQuotasResponse {
        let registered: Vec<i32> =
            view.gateways().iter().map(|gateway| gateway.broker_id.0).collect();
        let wants = request.wants.into_iter();
        let wants = wants
            .map(|want| Want { key: want.key.to_vec(), rate: want.rate, demand: want.demand })
            .collect();
        let report = Report { gateway: request.gateway, adopted: request.adopted, wants };
        if !is_sane(&report) {
            return refuse(ErrorCode::InvalidRequest);
        }
        let answer = self.ledger.lock().answer(self.began.elapsed(), &registered, &report);
        match answer {
            Some(grants) => ShareQuotasResponse {
                error_code: 0,
                sequence: grants.sequence,
                shares: grants.shares,
            },
            // What an earlier leader granted may still be in use.
            None => refuse(ErrorCode::NotController),
        }
    }
}

/// An answer without shares.
pub(crate) fn refuse(code: ErrorCode) -> ShareQuotasResponse {
    ShareQuotasResponse { error_code: code.code().into(), ..ShareQuotasResponse::default() }
}

/// Numbers that are none would spread over all others.
fn is_sane(report: &Report) -> bool {
    report.wants.iter().all(|want| {
        want.rate.is_finite() && want.rate > 0.0 && want.demand.is_finite() && want.demand >= 0.0
    })
}
