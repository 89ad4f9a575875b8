//! A cluster that does what the test says.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use hop::HopError;
use hop::internal::{AddTxnPartitionsRequest, TxnMarker};
use parking_lot::Mutex;
use protocol::error::ErrorCode;
use protocol::ids::{PartitionId, TenantId};
use tokio::sync::watch;

use crate::groups::Neighbours;
use crate::groups::transactions::neighbours::Owner;

/// Partitions are on two nodes by whether their index is even.
pub(super) struct FakeNeighbours {
    state: Mutex<State>,
    answers: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    producer_ids: i64,
    no_producer_ids: bool,
    gone: BTreeSet<i32>,
    refusals: HashMap<i32, Vec<ErrorCode>>,
    written: Vec<(i32, bool)>,
    verdict: Option<ErrorCode>,
    questions: Vec<AddTxnPartitionsRequest>,
}

impl Default for FakeNeighbours {
    fn default() -> Self {
        Self { state: Mutex::default(), answers: watch::Sender::new(true) }
    }
}

impl FakeNeighbours {
    /// The topic of this partition is deleted.
    pub(super) fn delete(&self, index: i32) {
        self.state.lock().gone.insert(index);
    }

    /// What a partition says to its next markers, the last one first.
    pub(super) fn refuse(&self, index: i32, codes: &[ErrorCode]) {
        self.state.lock().refusals.insert(index, codes.to_vec());
    }

    /// The markers written so far: where, and whether they commit.
    pub(super) fn written(&self) -> Vec<(i32, bool)> {
        self.state.lock().written.clone()
    }

    /// What coordinators of transactions say from now on.
    pub(super) fn say(&self, verdict: ErrorCode) {
        self.state.lock().verdict = Some(verdict);
    }

    /// Whether they say anything.
    pub(super) fn answer(&self, answers: bool) {
        self.answers.send_replace(answers);
    }

    pub(super) fn questions(&self) -> Vec<AddTxnPartitionsRequest> {
        self.state.lock().questions.clone()
    }

    pub(super) fn withhold_producer_ids(&self, withheld: bool) {
        self.state.lock().no_producer_ids = withheld;
    }
}

#[async_trait]
impl Neighbours for FakeNeighbours {
    async fn owner(&self, partition: PartitionId) -> Owner {
        match partition.index {
            index if self.state.lock().gone.contains(&index) => Owner::Gone,
            index => Owner::At(format!("node-{}", index % 2)),
        }
    }

    async fn write_marker(
        &self,
        address: &str,
        _tenant: TenantId,
        marker: TxnMarker,
    ) -> Result<Vec<ErrorCode>, HopError> {
        let mut state = self.state.lock();
        let mut write = |index: i32| {
            assert_eq!(address, format!("node-{}", index % 2), "asked its owner");
            let refusal = state.refusals.get_mut(&index).and_then(Vec::pop);
            if refusal.is_none() {
                state.written.push((index, marker.commit));
            }
            refusal.unwrap_or(ErrorCode::None)
        };
        Ok(marker.partitions.iter().map(|at| write(at.index)).collect())
    }

    async fn add_partitions(
        &self,
        _tenant: TenantId,
        request: AddTxnPartitionsRequest,
        _deadline: Duration,
    ) -> Vec<ErrorCode> {
        let code = {
            let mut state = self.state.lock();
            state.questions.push(request);
            state.verdict.unwrap_or(ErrorCode::None)
        };
        let mut answers = self.answers.subscribe();
        answers.wait_for(|answers| *answers).await.expect("the host outlives its calls");
        vec![code]
    }

    async fn producer_ids(&self, count: usize) -> Vec<i64> {
        let mut state = self.state.lock();
        if state.no_producer_ids {
            return Vec::new();
        }
        let first = state.producer_ids;
        state.producer_ids += count as i64;
        (first..state.producer_ids).collect()
    }
}
