//! InitProducerId with a transactional id: whoever asks is the id's owner from now on.
//!
//! A client that says who it was (KIP-360) goes on as the same owner, and is refused if somebody
//! else has come in between. What the former owner left open is aborted first, under an epoch that
//! fences it; the new one is told to come again until that is done.

use protocol::error::ErrorCode;
use protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::end::Ending;
use super::key_of;
use super::transaction::{Producer, Transaction, TransactionState};
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;
use crate::limits::{PRODUCER_IDS_LOW, PRODUCER_IDS_WANTED};
use crate::record::TransactionKey;

impl Coordinator {
    pub(crate) fn init_producer_id(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &InitProducerIdRequest,
        out: &mut Outputs,
    ) {
        let response = match self.become_owner(now_ms, caller, request, out) {
            Ok(producer) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(producer.id))
                .with_producer_epoch(producer.epoch),
            Err(code) => InitProducerIdResponse::default()
                .with_error_code(code.code())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        };
        out.replies.push((caller.token, Reply::InitProducerId(response)));
    }

    fn become_owner(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &InitProducerIdRequest,
        out: &mut Outputs,
    ) -> Result<Producer, ErrorCode> {
        let id = request.transactional_id.as_ref().ok_or(ErrorCode::InvalidRequest)?;
        let key = key_of(caller, id)?;
        let timeout_ms = request.transaction_timeout_ms;
        if !(1..=self.config.transaction_timeout_max_ms).contains(&timeout_ms) {
            return Err(ErrorCode::InvalidTransactionTimeout);
        }
        let was = former_self(request)?;
        let (producer, previous) = match self.ledger.transaction(&key) {
            // Expired, perhaps: nobody else can have come in between.
            None => (Producer { id: self.next_producer_id()?, epoch: 0 }, None),
            Some(known) => {
                if was.is_some_and(|was| was != known.producer && Some(was) != known.previous) {
                    return Err(ErrorCode::ProducerFenced);
                }
                match known.state {
                    TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                        return Err(ErrorCode::ConcurrentTransactions);
                    }
                    TransactionState::Ongoing => {
                        let ending = Ending::fence(known.producer, was);
                        self.end(now_ms, key, ending, out);
                        return Err(ErrorCode::ConcurrentTransactions);
                    }
                    TransactionState::Empty
                    | TransactionState::CompleteCommit
                    | TransactionState::CompleteAbort => self.next_owner(&key, was)?,
                }
            }
        };
        let empty = Transaction::empty(producer, previous, timeout_ms, now_ms);
        self.emit_transaction(now_ms, key, empty, out);
        Ok(producer)
    }

    /// Who the owner of an idle id is after this request, and who it was before.
    fn next_owner(
        &mut self,
        key: &TransactionKey,
        was: Option<Producer>,
    ) -> Result<(Producer, Option<Producer>), ErrorCode> {
        let known = self.ledger.transaction(key).expect("the caller has looked");
        let (current, previous) = (known.producer, known.previous);
        if was.is_some() && was == previous && current.epoch < i16::MAX {
            // The request came before, and its answer was lost.
            return Ok((current, previous));
        }
        let next = match current.next_epoch() {
            Some(next) => next,
            None => Producer { id: self.next_producer_id()?, epoch: 0 },
        };
        Ok((next, was))
    }

    /// An id that nobody had before (T2). If there is none at hand, the client comes again.
    pub(super) fn next_producer_id(&mut self) -> Result<i64, ErrorCode> {
        self.producer_ids.pop_front().ok_or(ErrorCode::CoordinatorLoadInProgress)
    }

    /// How many producer ids the host should bring. Zero while there are enough.
    pub fn producer_ids_wanted(&self) -> usize {
        let left = self.producer_ids.len();
        if left >= PRODUCER_IDS_LOW { 0 } else { PRODUCER_IDS_WANTED }
    }

    /// Takes producer ids that nobody else has or will get.
    pub fn take_producer_ids(&mut self, ids: impl IntoIterator<Item = i64>) {
        self.producer_ids.extend(ids);
    }
}

/// Who the client says it is (KIP-360).
fn former_self(request: &InitProducerIdRequest) -> Result<Option<Producer>, ErrorCode> {
    match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => Ok(None),
        (-1, _) | (_, -1) => Err(ErrorCode::InvalidRequest),
        (id, epoch) => Ok(Some(Producer { id, epoch })),
    }
}
