//! Producers: an idempotent one repeats what it does not know, a plain one never repeats.
//!
//! After an error an idempotent one goes on in one of two ways: over a new connection, with all that
//! it does not know, or over the old one, with what was answered with an error, after the answers to
//! all that was under way. The second is what librdkafka does.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::batch::BatchBuilder;
use protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use protocol::messages::{InitProducerIdRequest, TopicName};
use rand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Client, Load};
use crate::history::{Event, Value};
use crate::kafka::{Broken, text};
use crate::scenario::{Producer, TOPIC};
use crate::world::client_now_ms;

/// The version of Produce that clients without topic ids speak.
const PRODUCE: i16 = 9;
/// How long the cluster may take for a batch.
const TIMEOUT_MS: i32 = 4_000;
/// A batch of which the producer does not know what became.
struct Batch {
    values: Vec<Value>,
    bytes: Bytes,
}

/// The sequence of a producer's batches.
struct Sequence {
    producer: (i64, i16),
    next_sequence: i32,
    next_number: u64,
}

pub(super) async fn run(mut client: Client, plan: Producer) {
    client.wait_ready().await;
    let producer = if plan.idempotent { init(&mut client, plan.id).await } else { (-1, -1) };
    let mut sequence = Sequence { producer, next_sequence: 0, next_number: 0 };
    let mut unacked: VecDeque<Batch> = VecDeque::new();
    let mut next_at = Instant::now();
    // Until all of it is settled nothing new follows what was sent again: of more than five batches an
    // owner need not know each.
    let mut repeating = false;
    while !(client.stopping() && unacked.is_empty()) {
        repeating &= !unacked.is_empty();
        let may_send = !client.stopping() && !repeating && unacked.len() < plan.window;
        let step = if may_send && (unacked.is_empty() || Instant::now() >= next_at) {
            sleep_until(next_at).await;
            next_at = Instant::now() + plan.pace;
            let count = client.rng.random_range(1..=plan.records_max);
            let batch = sequence.batch(&plan, count);
            let values = batch.values.clone();
            client.load.history.add(Event::Sent { values, partition: plan.partition });
            unacked.push_back(batch);
            send_last(&mut client, &plan, &unacked).await.map(|()| true)
        } else {
            settle_first(&mut client, &plan, &mut unacked).await
        };
        if step.as_ref().is_ok_and(|settled| *settled) {
            continue;
        }
        let answered = step.is_ok() && plan.idempotent && client.rng.random_bool(0.5);
        repeating |= answered;
        if answered && repeat_here(&mut client, &plan, &mut unacked).await.is_ok() {
            continue;
        }
        client.back_off().await;
        if !plan.idempotent {
            // Whatever became of it: it is not sent again.
            unacked.clear();
        }
    }
}

/// Sends the newest batch; over a new connection everything before it as well, in order.
async fn send_last(
    client: &mut Client,
    plan: &Producer,
    unacked: &VecDeque<Batch>,
) -> Result<(), Broken> {
    let (connection, fresh) = client.connect().await?;
    let from = if fresh { 0 } else { unacked.len() - 1 };
    for batch in unacked.iter().skip(from) {
        connection.send(PRODUCE, &request(plan.partition, &batch.bytes)).await?;
    }
    Ok(())
}

/// Waits for the answer to the oldest batch; false if it must be sent again.
async fn settle_first(
    client: &mut Client,
    plan: &Producer,
    unacked: &mut VecDeque<Batch>,
) -> Result<bool, Broken> {
    let (connection, fresh) = client.connect().await?;
    if fresh {
        for batch in unacked.iter() {
            connection.send(PRODUCE, &request(plan.partition, &batch.bytes)).await?;
        }
    }
    let settled = settle(client, plan, &unacked[0]).await?;
    if settled {
        unacked.pop_front();
    }
    Ok(settled)
}

/// Sends again over the same connection what was answered with an error: the oldest batch, and
/// whichever of those behind it.
async fn repeat_here(
    client: &mut Client,
    plan: &Producer,
    unacked: &mut VecDeque<Batch>,
) -> Result<(), Broken> {
    let mut next = 1;
    while next < unacked.len() {
        if settle(client, plan, &unacked[next]).await? {
            unacked.remove(next);
        } else {
            next += 1;
        }
    }
    sleep(Duration::from_millis(client.rng.random_range(20..=300))).await;
    let connection = client.connection.as_mut().expect("it brought the answers");
    for batch in unacked.iter() {
        connection.send(PRODUCE, &request(plan.partition, &batch.bytes)).await?;
    }
    Ok(())
}

/// Waits for the answer to a batch that was sent over the present connection, the oldest that has
/// none; false if the batch must be sent again.
async fn settle(client: &mut Client, plan: &Producer, batch: &Batch) -> Result<bool, Broken> {
    let connection = client.connection.as_mut().expect("the batch was sent over it");
    let answer = connection.receive::<ProduceRequest>(PRODUCE).await?;
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let Some(answer) = partitions.into_iter().next() else {
        return Err(Broken::other("no partition in the answer"));
    };
    let (code, base_offset) = (answer.error_code, answer.base_offset);
    let (values, partition) = (batch.values.clone(), plan.partition);
    client.load.trace.line(format_args!("produce {} answered {code} {base_offset}", values[0]));
    let base_offset = (base_offset >= 0).then_some(base_offset);
    let event = match ErrorCode::from_code(code) {
        ErrorCode::None => Event::Acked { values, partition, base_offset },
        ErrorCode::DuplicateSequenceNumber if plan.idempotent => {
            Event::Acked { values, partition, base_offset: None }
        }
        refused if refused.definite() && !plan.idempotent => {
            Event::Refused { values, partition, code }
        }
        other => {
            if plan.idempotent && denies_order(other) {
                client.load.history.add(Event::OutOfOrder { values, partition });
            }
            return Ok(false);
        }
    };
    client.load.history.add(event);
    Ok(true)
}

/// Whether an answer says that a batch does not follow what its producer wrote before. The producers
/// here never begin a new epoch.
fn denies_order(code: ErrorCode) -> bool {
    let out_of_order = code == ErrorCode::OutOfOrderSequenceNumber;
    out_of_order || matches!(code, ErrorCode::InvalidProducerEpoch | ErrorCode::UnknownProducerId)
}

/// Asks for a producer id until there is one.
async fn init(client: &mut Client, producer: u32) -> (i64, i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000);
    loop {
        if let Some(answer) = client.ask(4, &request).await {
            let code = answer.error_code;
            client.load.trace.line(format_args!("producer id for {producer}: {code}"));
            if code == 0 {
                let (id, epoch) = (answer.producer_id.0, answer.producer_epoch);
                client.load.history.add(Event::ProducerId { producer, id, epoch });
                return (id, epoch);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Writes one record to a partition, however often that takes: it must be possible.
pub async fn probe(load: &Load, partition: i32) {
    let id = 1_000 + partition.unsigned_abs();
    let pace = Duration::ZERO;
    let plan = Producer { id, partition, idempotent: true, window: 1, records_max: 1, pace };
    let mut client = Client::new(load.clone(), u64::from(id));
    let producer = init(&mut client, id).await;
    let mut sequence = Sequence { producer, next_sequence: 0, next_number: 0 };
    let batch = sequence.batch(&plan, 1);
    load.history.add(Event::Sent { values: batch.values.clone(), partition });
    let mut unacked = VecDeque::from([batch]);
    // Over a new connection everything that is not known is sent first.
    client.connection = None;
    while !unacked.is_empty() {
        if !settle_first(&mut client, &plan, &mut unacked).await.unwrap_or(false) {
            client.back_off().await;
        }
    }
}

// === impl Sequence ===

impl Sequence {
    fn batch(&mut self, plan: &Producer, count: u64) -> Batch {
        let numbers = self.next_number..self.next_number + count;
        let values: Vec<Value> =
            numbers.map(|number| Value { producer: plan.id, number }).collect();
        self.next_number += count;
        let mut builder = BatchBuilder::new();
        if plan.idempotent {
            builder = builder.producer(self.producer.0, self.producer.1, self.next_sequence);
            self.next_sequence += i32::try_from(count).expect("batches are small");
        }
        let now_ms = client_now_ms();
        for value in &values {
            builder.push(now_ms, None, Some(value.to_string().as_bytes()));
        }
        Batch { values, bytes: builder.build() }
    }
}

fn request(partition: i32, records: &Bytes) -> ProduceRequest {
    let data =
        PartitionProduceData::default().with_index(partition).with_records(Some(records.clone()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(TIMEOUT_MS).with_topic_data(vec![topic])
}
