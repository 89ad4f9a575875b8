//! Readers: they follow every partition from its beginning to its tail, and begin anew now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::batch::{self, records::RecordSet};
use protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use protocol::messages::{BrokerId, TopicName};
use rand::Rng;
use tokio::time::sleep;

use super::{Client, Load, committer};
use crate::history::{Event, Reader, Value};
use crate::kafka::text;
use crate::scenario::TOPIC;

/// The version of Fetch that clients without topic ids speak.
const FETCH: i16 = 11;
const LIST_OFFSETS: i16 = 4;
/// The timestamp that asks for the log start.
const EARLIEST: i64 = -2;
/// Batches of the workload are tiny.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// What a fetch says about one partition.
struct Answer {
    partition: i32,
    code: i16,
    high_watermark: i64,
    log_start: i64,
    records: Bytes,
}

/// Where a pass is.
struct Pass {
    reader: Reader,
    positions: BTreeMap<i32, i64>,
    marks: BTreeMap<i32, i64>,
}

pub(super) async fn run(mut client: Client, id: u32) {
    client.wait_ready().await;
    let mut pass = Pass::new(&client.load, Reader { id, pass: 1 });
    while !client.stopping() {
        if client.rng.random_bool(0.02) {
            let next = pass.reader.pass + 1;
            pass = Pass::new(&client.load, Reader { id, pass: next });
        }
        pass.poll(&mut client, 300).await;
    }
}

/// Reads every partition from its beginning to its high watermark.
pub async fn read_all(load: &Load) {
    let mut client = Client::new(load.clone(), 999);
    let mut pass = Pass::new(load, Reader::FINAL);
    while !pass.at_end() {
        pass.poll(&mut client, 0).await;
        // If it never gets there, this is what there is to go by.
        let Pass { positions, marks, .. } = &pass;
        load.trace.line(format_args!("last reader at {positions:?} of {marks:?}"));
    }
}

/// Asks where every group is.
pub async fn read_group(load: &Load) {
    for group in 1..=load.scenario.groups {
        let mut client = Client::new(load.clone(), 2_000 + u64::from(group));
        while !committer::fetch(&mut client, group).await {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Where a partition's log begins, as far as its owner says.
async fn earliest(client: &mut Client, partition: i32) -> Option<i64> {
    let question = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_current_leader_epoch(-1)
        .with_timestamp(EARLIEST);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partitions(vec![question]);
    let request =
        ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
    let answer = client.ask(LIST_OFFSETS, &request).await?;
    let told = answer.topics.into_iter().flat_map(|topic| topic.partitions).next()?;
    (told.error_code == 0).then_some(told.offset)
}

// === impl Pass ===

impl Pass {
    fn new(load: &Load, reader: Reader) -> Self {
        let positions = (0..load.scenario.partitions).map(|partition| (partition, 0));
        Self { reader, positions: positions.collect(), marks: BTreeMap::new() }
    }

    fn at_end(&self) -> bool {
        self.positions
            .iter()
            .all(|(partition, position)| self.marks.get(partition) == Some(position))
    }

    /// Fetches once from all partitions.
    async fn poll(&mut self, client: &mut Client, wait_ms: i32) {
        let Some(answer) = client.ask(FETCH, &self.request(wait_ms)).await else { return };
        let mut failed = answer.error_code != 0;
        let mut out_of_range = Vec::new();
        for data in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            failed |= data.error_code != 0;
            let answer = Answer {
                partition: data.partition_index,
                code: data.error_code,
                high_watermark: data.high_watermark,
                log_start: data.log_start_offset,
                records: data.records.clone().unwrap_or_default(),
            };
            self.take(&client.load, &answer);
            if answer.code == ErrorCode::OffsetOutOfRange.code() {
                out_of_range.push(answer.partition);
            }
        }
        for partition in out_of_range {
            self.reset(client, partition).await;
        }
        if failed {
            let codes: Vec<i16> = answer
                .responses
                .iter()
                .flat_map(|topic| &topic.partitions)
                .map(|data| data.error_code)
                .collect();
            client
                .load
                .trace
                .line(format_args!("{:?} fetch: {} {codes:?}", self.reader, answer.error_code));
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Goes on at the log start, if that is why an offset is out of range.
    async fn reset(&mut self, client: &mut Client, partition: i32) {
        let Some(log_start) = earliest(client, partition).await else { return };
        let position = self.positions.get_mut(&partition).expect("it was asked for");
        if client.load.scenario.housekeeping.deletes() && log_start > *position {
            let reader = self.reader;
            client.load.history.add(Event::Reset { reader, partition, offset: log_start });
            *position = log_start;
        }
    }

    fn request(&self, wait_ms: i32) -> FetchRequest {
        let partitions = self.positions.iter().map(|(partition, offset)| {
            FetchPartition::default()
                .with_partition(*partition)
                .with_fetch_offset(*offset)
                .with_partition_max_bytes(64 << 10)
        });
        let topic = FetchTopic::default()
            .with_topic(TopicName(text(TOPIC)))
            .with_partitions(partitions.collect());
        FetchRequest::default()
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![topic])
    }

    fn take(&mut self, load: &Load, answer: &Answer) {
        let (reader, partition) = (self.reader, answer.partition);
        let position = self.positions.get_mut(&partition).expect("it was asked for");
        if answer.code == ErrorCode::OffsetOutOfRange.code() {
            load.history.add(Event::OutOfRange { reader, partition, offset: *position });
        }
        if answer.code != 0 {
            return;
        }
        let (high_watermark, log_start) = (answer.high_watermark, answer.log_start);
        // Negative: not known to the gateway yet, and no client takes it for an offset.
        if high_watermark >= 0 {
            load.history.add(Event::Marks { reader, partition, high_watermark, log_start });
            // With records the mark may be that of a plan for a cold read, of some time ago (R35). As a
            // client does, this takes it for the end of the log only when nothing came with it.
            if answer.records.is_empty() {
                self.marks.insert(partition, high_watermark);
            }
        }
        for view in batch::batches(&answer.records) {
            let view = view.expect("whole batches");
            view.verify().expect("a batch as it was produced (D8)");
            let set = RecordSet::open(&view, BATCH_BYTES_MAX).expect("uncompressed records");
            for record in set.iter().map(|record| record.expect("a record")) {
                // The batch that holds the offset asked for may begin before it.
                if record.offset < *position {
                    continue;
                }
                let (offset, epoch) = (record.offset, view.leader_epoch());
                let value =
                    std::str::from_utf8(record.value.unwrap_or_default()).unwrap_or_default();
                let value = value.parse().unwrap_or(Value { producer: 0, number: 0 });
                load.history.add(Event::Read { reader, partition, offset, value, epoch });
                *position = offset + 1;
            }
        }
    }
}
