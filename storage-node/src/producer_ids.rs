//! Producer ids, from blocks that control hands out: for producers without transactions at once, for
//! the coordinators of transactions in stock.
//!
//! A block is committed to the metadata log before anybody gets an id of it, and what a node has not
//! handed out when it stops is lost, so no id is ever issued twice (R43, T2).

use std::ops::Range;
use std::time::Duration;

use hop::internal::AllocateProducerIdsRequest;
use hop::{HopError, HopHeader, Peers};
use metadata::ClusterView;
use protocol::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use thiserror::Error;
use tokio::sync::Mutex;

/// What is left of the node's block.
pub(crate) struct ProducerIds {
    view: ClusterView,
    peers: Peers,
    /// Held while the next block is asked for: one request, however many producers wait.
    block: Mutex<Range<i64>>,
}

#[derive(Debug, Error)]
enum AllocateError {
    #[error("no control process leads")]
    NoLeader,
    #[error(transparent)]
    Hop(#[from] HopError),
    #[error("control refused: {0}")]
    Refused(ErrorCode),
}

impl ProducerIds {
    pub(crate) fn new(view: ClusterView, peers: Peers) -> Self {
        Self { view, peers, block: Mutex::new(0..0) }
    }

    /// Answers an InitProducerId request. Every producer without a transactional id gets a fresh id
    /// in epoch 0, also one that asks to bump its epoch: as Kafka does.
    pub(crate) async fn init(
        &self,
        header: HopHeader,
        request: InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        if request.transactional_id.is_some() {
            return refusal(ErrorCode::InvalidRequest);
        }
        match self.fresh(header.deadline).await {
            Some(id) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(0),
            None => {
                tracing::warn!("no producer ids");
                refusal(ErrorCode::CoordinatorNotAvailable)
            }
        }
    }

    /// An id that nobody had before. `None` if there is none in time.
    pub(crate) async fn fresh(&self, deadline: Duration) -> Option<i64> {
        match tokio::time::timeout(deadline, self.next(deadline)).await {
            Ok(Ok(id)) => Some(id),
            Ok(Err(error)) => {
                tracing::debug!(%error, "no producer ids");
                None
            }
            Err(_elapsed) => None,
        }
    }

    async fn next(&self, deadline: Duration) -> Result<i64, AllocateError> {
        let mut block = self.block.lock().await;
        loop {
            if let Some(id) = block.next() {
                return Ok(id);
            }
            *block = self.allocate(deadline).await?;
        }
    }

    async fn allocate(&self, deadline: Duration) -> Result<Range<i64>, AllocateError> {
        let leader = self.view.leader().ok_or(AllocateError::NoLeader)?;
        let header = HopHeader::internal(TenantId::SYSTEM, deadline);
        let peer = self.peers.peer(&leader.address);
        let answer = peer.ask(header, AllocateProducerIdsRequest {}).await?;
        let code = i16::try_from(answer.error_code).unwrap_or(-1);
        match ErrorCode::from_code(code) {
            ErrorCode::None if answer.count > 0 => {
                Ok(answer.first..answer.first.saturating_add(i64::from(answer.count)))
            }
            code => Err(AllocateError::Refused(code)),
        }
    }
}

fn refusal(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.code())
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}
