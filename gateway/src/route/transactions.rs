//! Transactions: each request to the node that coordinates its transactional id.
//!
//! Ids hash to internal partitions as groups do, and failures mean the same: nothing is sent again
//! by us (R37), and clients may send all of it again. What a client's version means is said to the
//! node, which sees one version only (R48); what older clients must see instead is put right here.

pub(super) mod admin;
mod partitions;

use hop::transaction_version;
use protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, EndTxnRequest, EndTxnResponse,
    InitProducerIdRequest, InitProducerIdResponse, ProducerId,
};
use protocol::{ErrorCode, StrBytes};

pub(super) use self::partitions::add_partitions;
use crate::context::Context;
use crate::limits::CALL_TIMEOUT;
use crate::route::groups::ask;

/// First version of InitProducerId whose clients know PRODUCER_FENCED (KIP-588).
const INIT_KNOWS_FENCED_FROM: i16 = 4;
/// First version of the other requests whose clients do.
const KNOWS_FENCED_FROM: i16 = 2;
/// First version of EndTxn whose clients have an epoch for each transaction (KIP-890).
const EPOCH_PER_TRANSACTION_FROM: i16 = 5;

/// InitProducerId of a client with a transactional id.
pub(super) fn init(
    context: &Context,
    id: &StrBytes,
    request: InitProducerIdRequest,
) -> impl Future<Output = InitProducerIdResponse> + Send + use<> {
    let answer = ask(context, id, CALL_TIMEOUT, request);
    let version = context.version;
    async move {
        let mut answer = answer.await.unwrap_or_else(|error| {
            InitProducerIdResponse::default()
                .with_error_code(error.code())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1)
        });
        answer.error_code = known(answer.error_code, version, INIT_KNOWS_FENCED_FROM);
        answer
    }
}

pub(super) fn add_offsets(
    context: &Context,
    request: AddOffsetsToTxnRequest,
) -> impl Future<Output = AddOffsetsToTxnResponse> + Send + use<> {
    let id = request.transactional_id.clone();
    let answer = ask(context, &id, CALL_TIMEOUT, request);
    let version = context.version;
    async move {
        let mut answer = answer.await.unwrap_or_else(|error| {
            AddOffsetsToTxnResponse::default().with_error_code(error.code())
        });
        answer.error_code = known(answer.error_code, version, KNOWS_FENCED_FROM);
        answer
    }
}

pub(super) fn end(
    context: &Context,
    mut request: EndTxnRequest,
) -> impl Future<Output = EndTxnResponse> + Send + use<> {
    let version = context.version;
    let own_epoch = version >= EPOCH_PER_TRANSACTION_FROM;
    let speaks = if own_epoch { 2 } else { 1 };
    transaction_version::set(&mut request.unknown_tagged_fields, speaks);
    let id = request.transactional_id.clone();
    let answer = ask(context, &id, CALL_TIMEOUT, request);
    async move {
        let answer = answer.await;
        let code = match &answer {
            Ok(answer) => answer.error_code,
            Err(error) => error.code(),
        };
        let response =
            EndTxnResponse::default().with_error_code(known(code, version, KNOWS_FENCED_FROM));
        match answer {
            Ok(answer) if own_epoch => response
                .with_producer_id(answer.producer_id)
                .with_producer_epoch(answer.producer_epoch),
            _ => response,
        }
    }
}

/// The code as a client of this version knows it: before PRODUCER_FENCED, whoever had to give way
/// was told that its epoch is not valid.
fn known(code: i16, version: i16, knows_fenced_from: i16) -> i16 {
    if version < knows_fenced_from && code == ErrorCode::ProducerFenced.code() {
        ErrorCode::InvalidProducerEpoch.code()
    } else {
        code
    }
}
