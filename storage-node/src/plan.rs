//! Plans: what a cold reader may read of a partition without asking its owner again.
//!
//! One lookup in memory per tens of megabytes of catch-up read (DESIGN §5). Everything in a plan is
//! from one instant (R35), and only a holder of the cluster's secret can have made it (R36).

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use hop::HopHeader;
use hop::internal::{PlanRequest, PlanResponse};
use protocol::ErrorCode;
use segment::{AbortedTransaction, Extent, Plan};

use crate::metrics;
use crate::partition::{CompactionWork, Isolation, Marks, Partition};
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
    /// What a reader may have of the extents: the last may go on.
    pub(crate) offsets: Range<i64>,
    /// Those that touch the offsets, if only committed records are wanted.
    pub(crate) aborted: Vec<AbortedTransaction>,
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
        let isolation = match request.read_committed {
            true => Isolation::ReadCommitted,
            false => Isolation::ReadUncommitted,
        };
        let part = match partition.cold_part(request.fetch_offset, bytes, isolation) {
            Ok(part) => part,
            Err(ErrorCode::OffsetOutOfRange) => {
                let proven = partition.prove().await;
                return PlanResponse::refused(proven.err().unwrap_or(ErrorCode::OffsetOutOfRange));
            }
            Err(code) => return PlanResponse::refused(code),
        };
        metrics::planned();
        self.answer(&partition, part, now)
    }

    /// A unit of work for a compactor: the same token, for its lease.
    pub(crate) fn work(
        &self,
        partition: &Partition,
        work: CompactionWork,
        now: Duration,
        lease: Duration,
    ) -> Bytes {
        self.plan_of(partition, work.part, now, lease).seal(&self.secret)
    }

    /// An offset that is not uploaded is hot: the answer is an empty plan, and the hot floor in it
    /// tells the gateway to come here. So it is with one that is not decided.
    fn answer(&self, partition: &Partition, part: ColdPart, now: Duration) -> PlanResponse {
        let mut answer = PlanResponse {
            error_code: i32::from(ErrorCode::None.code()),
            start_offset: part.offsets.start,
            end_offset: part.offsets.end,
            life_ms: u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX),
            ..marked(part.marks)
        };
        if !part.extents.is_empty() {
            answer.plan = self.plan_of(partition, part, now, self.life).seal(&self.secret);
        }
        answer
    }

    fn plan_of(
        &self,
        partition: &Partition,
        part: ColdPart,
        now: Duration,
        life: Duration,
    ) -> Plan {
        let ColdPart { marks, manifest_version, extents, offsets, aborted } = part;
        Plan {
            partition: partition.id(),
            extents,
            aborted,
            high_watermark: marks.high_watermark,
            last_stable_offset: marks.last_stable_offset,
            log_start_offset: marks.log_start,
            leader_epoch: partition.epoch(),
            manifest_version,
            start_offset: offsets.start,
            end_offset: offsets.end,
            made_at: now,
            life,
        }
    }
}

fn marked(marks: Marks) -> PlanResponse {
    PlanResponse {
        hot_floor: marks.hot_floor,
        high_watermark: marks.high_watermark,
        last_stable_offset: marks.last_stable_offset,
        log_start_offset: marks.log_start,
        ..PlanResponse::default()
    }
}
