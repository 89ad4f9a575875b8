//! Plans: what a cold reader may read of a partition without asking its owner again.
//!
//! One lookup in memory per tens of megabytes of catch-up read (DESIGN §5). Everything in a plan is
//! from one instant (R35), and only a holder of the cluster's secret can have made it (R36).

use std::time::Duration;

use bytes::Bytes;
use hop::HopHeader;
use hop::internal::{PlanRequest, PlanResponse};
use protocol::ErrorCode;
use segment::{Extent, Plan};

use crate::metrics;
use crate::partition::{CompactionWork, Marks, Partition};
use crate::partitions::Partitions;

/// What plans are made with.
pub(crate) struct Planner {
    /// The cluster's secret.
    pub(crate) secret: [u8; 32],
    /// What a plan covers, about.
    pub(crate) bytes: u64,
    /// How long it may be used.
    pub(crate) life: Duration,
}

/// A partition's uploaded part from some offset on, seen at one instant.
#[derive(Debug)]
pub(crate) struct ColdPart {
    pub(crate) marks: Marks,
    pub(crate) manifest_version: u64,
    pub(crate) extents: Vec<Extent>,
}

impl Planner {
    /// Answers a request for a plan. That there is nothing at an offset needs proof (R6).
    pub(crate) async fn plan(
        &self,
        partitions: &Partitions,
        header: &HopHeader,
        request: &PlanRequest,
        now: Duration,
    ) -> PlanResponse {
        let partition = request.partition(header.tenant).and_then(|id| partitions.find(id));
        let Some(partition) = partition else {
            return PlanResponse::refused(ErrorCode::NotLeaderOrFollower);
        };
        let bytes = match u64::try_from(request.max_bytes) {
            Ok(0) | Err(_) => self.bytes,
            Ok(asked) => asked.min(self.bytes),
        };
        let part = match partition.cold_part(request.fetch_offset, bytes) {
            Ok(part) => part,
            Err(ErrorCode::OffsetOutOfRange) => {
                let proven = partition.prove().await;
                return PlanResponse::refused(proven.err().unwrap_or(ErrorCode::OffsetOutOfRange));
            }
            Err(code) => return PlanResponse::refused(code),
        };
        metrics::planned();
        self.answer(&partition, part, request.fetch_offset, now)
    }

    /// A unit of work for a compactor: the same token, for its lease.
    pub(crate) fn work(
        &self,
        partition: &Partition,
        work: CompactionWork,
        now: Duration,
        lease: Duration,
    ) -> Bytes {
        let CompactionWork { part, start_offset, end_offset, .. } = work;
        let marks = part.marks;
        let plan = Plan {
            partition: partition.id(),
            extents: part.extents,
            aborted: Vec::new(),
            high_watermark: marks.high_watermark,
            last_stable_offset: marks.high_watermark,
            log_start_offset: marks.log_start,
            leader_epoch: partition.epoch(),
            manifest_version: part.manifest_version,
            start_offset,
            end_offset,
            made_at: now,
            life: lease,
        };
        plan.seal(&self.secret)
    }

    /// An offset that is not uploaded is hot: the answer is an empty plan, and the hot floor in it
    /// tells the gateway to come here.
    fn answer(
        &self,
        partition: &Partition,
        part: ColdPart,
        fetch_offset: i64,
        now: Duration,
    ) -> PlanResponse {
        let ColdPart { marks, manifest_version, extents } = part;
        let mut answer = PlanResponse {
            error_code: i32::from(ErrorCode::None.code()),
            start_offset: fetch_offset,
            end_offset: fetch_offset,
            life_ms: u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX),
            ..marked(marks)
        };
        if let Some(last) = extents.last() {
            answer.end_offset = last.last_offset + 1;
            let plan = Plan {
                partition: partition.id(),
                start_offset: fetch_offset,
                end_offset: answer.end_offset,
                extents,
                aborted: Vec::new(),
                high_watermark: marks.high_watermark,
                last_stable_offset: marks.high_watermark,
                log_start_offset: marks.log_start,
                leader_epoch: partition.epoch(),
                manifest_version,
                made_at: now,
                life: self.life,
            };
            answer.plan = plan.seal(&self.secret);
        }
        answer
    }
}

fn marked(marks: Marks) -> PlanResponse {
    PlanResponse {
        hot_floor: marks.hot_floor,
        high_watermark: marks.high_watermark,
        last_stable_offset: marks.high_watermark,
        log_start_offset: marks.log_start,
        ..PlanResponse::default()
    }
}
