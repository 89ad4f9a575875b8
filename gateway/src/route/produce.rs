//! Produce: each batch to its partition's owner, and the answers joined. Batches are not touched unless
//! their topic wants them packed otherwise.
//!
//! ```text
//! request ─ split by owner ─► node A ─┐
//!                          └► node B ─┴ join ─► answer, partitions in request order
//! ```
//!
//! The split and the calls happen before [`handle`] returns, so that the order in which a
//! connection's produces reach a node is the order of its frames (R45). Only if that is not
//! possible, because a topic must be looked up or a partition is on its way to another owner, the
//! connection waits (see [`order`]). Nothing is sent twice (R37), but for what an owner surely did not
//! append because the partition leaves it (R49, see [`follow`]).

mod follow;
mod hints;
mod hold;
pub(super) mod order;
pub(crate) mod recompress;
mod split;

use std::time::Duration;

use futures::future::{FutureExt, join_all, ready};
use hop::HopError;
use metadata::settings::acl::AclOperation;
use protocol::ErrorCode;
use protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use protocol::messages::{ProduceRequest, ProduceResponse};

use self::follow::Following;
use self::order::{Order, Sent, UnderWay};
use self::split::{Share, Slots, Split};
use super::Answer;
use crate::authoriser::Resource;
use crate::call::Disconnect;
use crate::context::Context;
use crate::errors;
use crate::limits::PRODUCE_TIMEOUT;
use crate::metrics;

/// First version that names topics by id.
const TOPIC_ID_FROM: i16 = 13;

/// Starts a produce.
pub(super) fn handle(context: Context, request: ProduceRequest, order: &mut Order) -> Answer {
    metrics::produced(record_bytes(&request));
    let acks = request.acks;
    if let Some(error) = refused(&context, &request) {
        return ready(finish(acks, refuse_all(request, error))).boxed();
    }
    let split = Split::new(&context, request);
    let tracker = order.tracker();
    let as_it_is = split.is_complete() && !recompress::is_needed(&split);
    if as_it_is && tracker.moved(&split).is_empty() {
        let answer = dispatch(&context, split, tracker);
        return async move { finish(acks, answer.await) }.boxed();
    }
    // What was sent before stays before, what comes after waits at the gate.
    let gate = order.close_gate();
    async move {
        let split = complete(&context, split).await;
        let split = recompress::run(&context, split).await;
        tracker.settled(tracker.moved(&split)).await;
        let answer = dispatch(&context, split, tracker);
        drop(gate);
        finish(acks, answer.await)
    }
    .boxed()
}

/// Finds a place for what has none yet, or gives it up.
async fn complete(context: &Context, mut split: Split) -> Split {
    if split.has_unknown_topics() {
        if let Err(error) = context.catalogue.refresh().await {
            errors::of_lookup(&error);
        }
        split = split.look_up_again(context);
    }
    hold::until_served(context, split).await
}

/// What is wrong with the request as a whole.
fn refused(context: &Context, request: &ProduceRequest) -> Option<ErrorCode> {
    if !matches!(request.acks, -1..=1) {
        return Some(ErrorCode::InvalidRequiredAcks);
    }
    let id = request.transactional_id.as_deref()?;
    context.grants.require(AclOperation::Write, Resource::transactional_id(id)).err()
}

/// Sends every owner its share. All are in their lanes when this returns.
fn dispatch(
    context: &Context,
    mut split: Split,
    tracker: UnderWay,
) -> impl Future<Output = ProduceResponse> + Send + use<> {
    tracker.keep_order(&mut split);
    let following = Following::of(&mut split, &tracker);
    let (context, memory) = (context.clone(), std::mem::take(&mut split.memory));
    let sent = send(&context, split, &tracker);
    async move {
        let (mut response, under_way) = sent.await;
        if let Some(following) = following {
            response = following.run(&context, tracker, response, under_way).await;
        }
        hints::put(&context, &mut response);
        drop(memory);
        response
    }
}

/// The calls. What may yet be sent to a next owner stays under way until the caller lets it go.
fn send(
    context: &Context,
    split: Split,
    tracker: &UnderWay,
) -> impl Future<Output = (ProduceResponse, Vec<Sent>)> + Send + use<> {
    let Split { shares, mut response, .. } = split;
    let deadline = deadline(shares.first());
    let calls: Vec<_> = shares
        .into_iter()
        .map(|Share { address, owner, batches, message, slots }| {
            let sent = tracker.begin(Some(owner), batches);
            let call = context.ask(&address, deadline, message);
            async move {
                let answer = call.await;
                let under_way = sent.answered(&answer);
                (answer, slots, under_way)
            }
        })
        .collect();
    async move {
        let mut under_way = Vec::new();
        for (answer, slots, sent) in join_all(calls).await {
            join(&mut response, answer, slots);
            under_way.extend(sent);
        }
        (response, under_way)
    }
}

fn deadline(share: Option<&Share>) -> Duration {
    let wanted_ms = share.map_or(0, |share| share.message.timeout_ms);
    let (least, most) = PRODUCE_TIMEOUT;
    Duration::from_millis(u64::try_from(wanted_ms).unwrap_or(0)).clamp(least, most)
}

/// Puts one owner's answer where the request had its partitions. What the owner did not mention
/// keeps its first value, an unknown outcome.
fn join(response: &mut ProduceResponse, answer: Result<ProduceResponse, HopError>, slots: Slots) {
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%error, "produce call failed");
            let code = errors::of_write(&error).code();
            slots.positions().for_each(|slot| slot.of(response).error_code = code);
            return;
        }
    };
    for topic in &mut answer.responses {
        for partition in topic.partition_responses.drain(..) {
            if let Some(slot) = slots.find(topic.topic_id, partition.index) {
                *slot.of(response) = partition;
            }
        }
    }
}

/// A produce without acknowledgement has no answer; if it failed, closing the connection is the
/// only way to tell (as Kafka does).
fn finish(
    acks: i16,
    response: ProduceResponse,
) -> Result<Option<protocol::response::ClientResponse>, Disconnect> {
    if acks != 0 {
        return Ok(Some(response.into()));
    }
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    match partitions.map(|partition| partition.error_code).find(|code| *code != 0) {
        Some(code) => Err(Disconnect::UnacknowledgedProduce(ErrorCode::from_code(code))),
        None => Ok(None),
    }
}

fn refuse_all(request: ProduceRequest, error: ErrorCode) -> ProduceResponse {
    let topics = request.topic_data.into_iter().map(|topic| {
        let indexes = topic.partition_data.iter().map(|partition| partition.index);
        TopicProduceResponse::default()
            .with_partition_responses(indexes.map(|index| failed(index, error)).collect())
            .with_name(topic.name)
            .with_topic_id(topic.topic_id)
    });
    ProduceResponse::default().with_responses(topics.collect())
}

/// A partition that was not appended to, or not surely.
fn failed(index: i32, error: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(error.code())
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
}

fn record_bytes(request: &ProduceRequest) -> usize {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    partitions.filter_map(|partition| partition.records.as_ref()).map(bytes::Bytes::len).sum()
}
