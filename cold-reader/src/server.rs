//! The hop's side of a cold reader: who may ask, and what the answers are called.
//!
//! Plans are asked of it as well, for partitions without an owner, and the records of a time
//! (ListOffsets), which no node reads for.
//!
//! A fetch either has records or an error that the gateway can act upon. It is
//! never empty, and never OFFSET_OUT_OF_RANGE: that nothing is to be read at an
//! offset is for the partition's owner to say (R6, R31).

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hop::internal::{
    Aborted, ColdFetchRequest, ColdFetchResponse, ColdSearchRequest, ColdSearchResponse,
};
use hop::{HopHeader, HopRequest, Request, Response};
use process::Drain;
use protocol::ErrorCode;
use segment::plan::PlanError;
use segment::{Plan, Store};
use tokio::time::Instant;

use crate::config::Config;
use crate::fair::Flow;
use crate::fetch::{FetchError, Fetcher, Searched};
use crate::metrics;
use crate::planner::Planner;
use crate::progress::Progress;

/// Answers cold fetches. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Server {
    fetcher: Arc<Fetcher>,
    planner: Arc<Planner>,
    progress: Arc<Progress>,
    secret: [u8; 32],
}

/// Why a fetch has no records.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("plan belongs to another tenant")]
    Tenant,
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl Server {
    pub(crate) fn new(config: &Config, secret: [u8; 32], store: Store, drain: Drain) -> Self {
        metrics::describe();
        let planner = Arc::new(Planner::new(store.clone(), secret));
        let progress = Arc::new(Progress::default());
        let report = {
            let (progress, drain) = (Arc::clone(&progress), drain.clone());
            async move { progress.report(drain).await }
        };
        drop(drain.spawn("replay progress", report));
        let fetcher = Arc::new(Fetcher::new(config, store, Arc::clone(&progress), drain));
        Self { fetcher, planner, progress, secret }
    }

    async fn fetch(self, flow: Flow, request: ColdFetchRequest) -> ColdFetchResponse {
        match self.serve(&flow, &request).await {
            Ok(response) => response,
            Err(error) => {
                metrics::failed(error.reason());
                error.log(request.fetch_offset);
                let error_code = error.code().code();
                ColdFetchResponse { error_code, ..ColdFetchResponse::default() }
            }
        }
    }

    /// The first record of a plan that is not earlier than a time.
    async fn search(self, flow: Flow, request: ColdSearchRequest) -> ColdSearchResponse {
        let (from, timestamp) = (request.from_offset, request.timestamp);
        let searched = async {
            let plan = self.open(&flow, &request.plan, request.plan_age_ms)?;
            Ok(self.fetcher.search(&flow, &plan, from, timestamp).await?)
        };
        match searched.await {
            Ok(Searched { found, next_offset }) => {
                metrics::searched();
                ColdSearchResponse { error_code: 0, found, next_offset }
            }
            Err(error) => {
                let error: ServeError = error;
                metrics::failed(error.reason());
                error.log(from);
                let error_code = error.code().code().into();
                ColdSearchResponse { error_code, ..ColdSearchResponse::default() }
            }
        }
    }

    /// The plan in a token, if whoever asks may read along it.
    fn open(&self, flow: &Flow, token: &[u8], age_ms: u64) -> Result<Plan, ServeError> {
        let plan = Plan::open(token, &self.secret, Duration::from_millis(age_ms))?;
        // The token is authentic, but it may have been made for somebody else (R36, R56).
        if plan.partition.tenant == flow.tenant { Ok(plan) } else { Err(ServeError::Tenant) }
    }

    async fn serve(
        &self,
        flow: &Flow,
        request: &ColdFetchRequest,
    ) -> Result<ColdFetchResponse, ServeError> {
        let begun = Instant::now();
        let plan = self.open(flow, &request.plan, request.plan_age_ms)?;
        let max_bytes = usize::try_from(request.max_bytes).unwrap_or(0);
        let records = self.fetcher.fetch(flow, &plan, request.fetch_offset, max_bytes).await?;
        let took = begun.elapsed();
        metrics::fetched(records.bytes, took);
        let left = plan.high_watermark - records.next_offset;
        self.progress.fetched(flow, plan.partition, left, records.bytes, took);
        // One that ended before the first record would take the same producer's
        // next, committed records with it; one that began after the last says nothing.
        let touches =
            |first: i64, last: i64| request.fetch_offset <= last && first < records.next_offset;
        let aborted = plan.aborted.iter();
        let aborted = aborted.filter(|aborted| touches(aborted.first_offset, aborted.last_offset));
        Ok(ColdFetchResponse {
            error_code: ErrorCode::None.code(),
            high_watermark: plan.high_watermark,
            last_stable_offset: plan.last_stable_offset,
            log_start_offset: plan.log_start_offset,
            next_offset: records.next_offset,
            aborted: aborted
                .map(|aborted| Aborted {
                    producer_id: aborted.producer_id,
                    first_offset: aborted.first_offset,
                })
                .collect(),
            records: records.slices,
        })
    }
}

impl hop::Handler for Server {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        match request.body {
            Request::ColdFetch(fetch) => {
                let flow = flow_of(&request.header);
                self.clone().fetch(flow, fetch).map(Response::ColdFetch).boxed()
            }
            Request::ColdSearch(search) => {
                let flow = flow_of(&request.header);
                self.clone().search(flow, search).map(Response::ColdSearch).boxed()
            }
            Request::Plan(question) => {
                let (server, tenant) = (self.clone(), request.header.tenant);
                async move { Response::Plan(server.planner.answer(tenant, &question).await) }
                    .boxed()
            }
            other => {
                // An answer to another question ends the connection, which is
                // what a caller with a wrong address needs (R46).
                tracing::error!(api = other.api().name(), "request is not for a cold reader");
                let error_code = ErrorCode::InvalidRequest.code();
                let refusal = ColdFetchResponse { error_code, ..ColdFetchResponse::default() };
                futures::future::ready(Response::ColdFetch(refusal)).boxed()
            }
        }
    }
}

/// Whose share a fetch is from: that of the clients of one tenant with one name on one host.
fn flow_of(header: &HopHeader) -> Flow {
    let name = hop::client_name(&header.client_id, &header.client_host);
    Flow { tenant: header.tenant, name: Arc::from(name) }
}

impl ServeError {
    /// Every code makes the gateway ask the owner for a new plan (R31).
    fn code(&self) -> ErrorCode {
        match self {
            Self::Plan(PlanError::Forged) | Self::Tenant => ErrorCode::InvalidRequest,
            Self::Plan(PlanError::Expired | PlanError::Version)
            | Self::Fetch(FetchError::NotCovered { .. }) => ErrorCode::OffsetNotAvailable,
            Self::Fetch(_) => ErrorCode::KafkaStorageError,
        }
    }

    /// The metric's label.
    fn reason(&self) -> &'static str {
        match self {
            Self::Plan(PlanError::Forged) => "plan_forged",
            Self::Plan(PlanError::Expired) => "plan_expired",
            Self::Plan(PlanError::Version) => "plan_version",
            Self::Tenant => "tenant",
            Self::Fetch(error) => error.reason(),
        }
    }

    fn log(&self, offset: i64) {
        match self {
            // Ordinary: the gateway comes back with a new plan.
            Self::Plan(PlanError::Expired) | Self::Fetch(FetchError::NotCovered { .. }) => {
                tracing::debug!(error = %self, offset, "cold fetch refused");
            }
            Self::Fetch(error) if error.is_transient() => {
                tracing::warn!(error = %self, offset, "cold fetch failed");
            }
            // Damage, or somebody who should not be here: a person must look.
            _ => tracing::error!(error = %self, offset, "cold fetch failed"),
        }
    }
}

#[cfg(test)]
mod tests;
