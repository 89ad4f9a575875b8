//! A cold reader, as far as a gateway can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use hop::internal::{
    ColdFetchRequest, ColdFetchResponse, ColdSearchRequest, ColdSearchResponse, PlanRequest,
    PlanResponse,
};
use hop::{Handler, HopRequest, Request, Response};
use protocol::ErrorCode;
use protocol::batch::BatchView;
use protocol::ids::{PartitionId, TenantId};

use super::gate::Gate;
use super::log::Logs;

/// Reads the same logs as the nodes, below their hot floor.
pub(crate) struct FakeReader {
    logs: Logs,
    /// Reads pass here.
    pub(crate) reads: Gate,
    /// Reads begun so far.
    pub(crate) begun: AtomicUsize,
    /// How many plans are refused first.
    pub(crate) refusals: AtomicUsize,
}

impl FakeReader {
    pub(crate) fn new(logs: Logs) -> Arc<Self> {
        Arc::new(Self {
            logs,
            reads: Gate::new(),
            begun: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
        })
    }

    pub(crate) fn reads_begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// As a node's, but with nothing to learn from it: what is stored ends at the hot floor.
    fn plan(&self, tenant: TenantId, request: &PlanRequest) -> PlanResponse {
        let partition = request.partition(tenant).unwrap();
        let log = self.logs.of(partition);
        if !(log.start..log.hot_floor).contains(&request.fetch_offset) {
            let error_code = ErrorCode::OffsetNotAvailable.code().into();
            return PlanResponse { error_code, ..PlanResponse::default() };
        }
        PlanResponse {
            plan: Bytes::from(format!("{}/{}/{}", tenant.0, partition.topic, partition.index)),
            start_offset: request.fetch_offset,
            end_offset: log.hot_floor,
            life_ms: u64::MAX,
            hot_floor: -1,
            high_watermark: log.hot_floor,
            ..PlanResponse::default()
        }
    }

    /// Whether this one is to be refused.
    fn refuses(&self) -> bool {
        let refusals = self.refusals.load(Ordering::SeqCst);
        self.refusals.store(refusals.saturating_sub(1), Ordering::SeqCst);
        refusals > 0
    }

    /// Looks at one batch at a time: whoever searches has to come back.
    fn search(&self, request: &ColdSearchRequest) -> ColdSearchResponse {
        if self.refuses() {
            let error_code = ErrorCode::KafkaStorageError.code().into();
            return ColdSearchResponse { error_code, ..ColdSearchResponse::default() };
        }
        let log = self.logs.of(partition_in(&request.plan));
        let first = log.read(request.from_offset, 0);
        let next_offset = BatchView::whole(&first[0]).unwrap().last_offset() + 1;
        let found = log.search(request.from_offset, next_offset, request.timestamp);
        ColdSearchResponse { error_code: 0, found, next_offset }
    }

    fn read(&self, request: &ColdFetchRequest) -> ColdFetchResponse {
        if self.refuses() {
            let error_code = ErrorCode::KafkaStorageError.code();
            return ColdFetchResponse { error_code, ..ColdFetchResponse::default() };
        }
        let log = self.logs.of(partition_in(&request.plan));
        let mut records =
            log.read(request.fetch_offset, usize::try_from(request.max_bytes).unwrap());
        records.retain(|batch| BatchView::whole(batch).unwrap().base_offset() < log.cold_end());
        let last = records.last().map(|batch| BatchView::whole(batch).unwrap().last_offset());
        ColdFetchResponse {
            high_watermark: log.next,
            last_stable_offset: log.next,
            log_start_offset: log.start,
            next_offset: last.map_or(request.fetch_offset, |last| last + 1),
            records,
            ..ColdFetchResponse::default()
        }
    }
}

/// What a token says, in the clear.
fn partition_in(plan: &[u8]) -> PartitionId {
    let mut parts = std::str::from_utf8(plan).unwrap().split('/');
    let mut next = || parts.next().unwrap();
    let (tenant, topic, index) = (next(), next(), next());
    let tenant = TenantId(tenant.parse().unwrap());
    PartitionId::new(tenant, topic.parse().unwrap(), index.parse().unwrap())
}

/// The reader as the hop calls it.
pub(crate) struct ReaderHandler(pub(crate) Arc<FakeReader>);

impl Handler for ReaderHandler {
    fn call(&self, HopRequest { header, body }: HopRequest) -> BoxFuture<'static, Response> {
        let reader = Arc::clone(&self.0);
        let request = match body {
            Request::ColdFetch(request) => request,
            Request::ColdSearch(request) => {
                let answer = reader.search(&request);
                return futures::future::ready(Response::ColdSearch(answer)).boxed();
            }
            Request::Plan(request) => {
                let answer = reader.plan(header.tenant, &request);
                return futures::future::ready(Response::Plan(answer)).boxed();
            }
            other => panic!("not for a cold reader: {other:?}"),
        };
        reader.begun.fetch_add(1, Ordering::SeqCst);
        let passed = reader.reads.passed();
        async move {
            passed.await;
            Response::ColdFetch(reader.read(&request))
        }
        .boxed()
    }
}
