//! Readers of committed records: they drop what the answer says is aborted, as Kafka's clients do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use protocol::batch::{self, EndTransactionMarker, records::RecordSet};
use protocol::messages::TopicName;
use protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use rand::Rng;
use tokio::time::sleep;

use super::{Client, Load};
use crate::history::transactions::{Step, Transaction, Written};
use crate::history::{Event, Reader};
use crate::kafka::text;
use crate::scenario::TRANSACTIONS_TOPIC;

/// The version of Fetch that clients without topic ids speak.
const FETCH: i16 = 11;
const READ_COMMITTED: i8 = 1;
/// Batches of the workload are tiny.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// What a fetch says about one partition.
struct Answer {
    partition: i32,
    high_watermark: i64,
    last_stable_offset: i64,
    /// First offset and producer of each.
    aborted: Vec<(i64, i64)>,
    records: Bytes,
}

/// Where a pass is.
struct Pass {
    reader: Reader,
    positions: BTreeMap<i32, i64>,
    /// The partitions that were read to their end, with nothing undecided in them.
    settled: BTreeSet<i32>,
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

/// Reads everything that is committed. Comes to an end only if no transaction stays open for ever.
pub async fn read_committed(load: &Load) {
    let mut client = Client::new(load.clone(), 998);
    let mut pass = Pass::new(load, Reader::FINAL);
    while pass.settled.len() < pass.positions.len() {
        pass.poll(&mut client, 0).await;
        // If it never gets there, this is what there is to go by.
        let Pass { positions, settled, .. } = &pass;
        load.trace.line(format_args!("last committed at {positions:?}, settled {settled:?}"));
    }
}

// === impl Pass ===

impl Pass {
    fn new(load: &Load, reader: Reader) -> Self {
        let partitions = 0..load.scenario.transactions.partitions;
        let positions = partitions.map(|partition| (partition, 0)).collect();
        Self { reader, positions, settled: BTreeSet::new() }
    }

    /// Fetches once from all partitions.
    async fn poll(&mut self, client: &mut Client, wait_ms: i32) {
        let Some(answer) = client.ask(FETCH, &self.request(wait_ms)).await else { return };
        let mut failed = answer.error_code != 0;
        for data in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            failed |= data.error_code != 0;
            if data.error_code == 0 {
                let aborted = data.aborted_transactions.iter().flatten();
                let answer = Answer {
                    partition: data.partition_index,
                    high_watermark: data.high_watermark,
                    last_stable_offset: data.last_stable_offset,
                    aborted: aborted.map(|it| (it.first_offset, it.producer_id.0)).collect(),
                    records: data.records.clone().unwrap_or_default(),
                };
                self.take(&client.load, answer);
            } else {
                let (reader, code) = (self.reader, data.error_code);
                let partition = data.partition_index;
                let trace = &client.load.trace;
                trace.line(format_args!("{reader:?} committed fetch of {partition}: {code}"));
            }
        }
        if failed || wait_ms == 0 {
            sleep(Duration::from_millis(50)).await;
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
            .with_topic(TopicName(text(TRANSACTIONS_TOPIC)))
            .with_partitions(partitions.collect());
        FetchRequest::default()
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_isolation_level(READ_COMMITTED)
            .with_session_epoch(-1)
            .with_topics(vec![topic])
    }

    fn take(&mut self, load: &Load, answer: Answer) {
        let Answer { partition, records, .. } = answer;
        let reader = self.reader;
        let position = self.positions.get_mut(&partition).expect("it was asked for");
        let mut aborted = Aborted::new(answer.aborted);
        let from = *position;
        for view in batch::batches(&records) {
            let view = view.expect("whole batches");
            view.verify().expect("a batch as it was produced (D8)");
            *position = view.last_offset() + 1;
            if aborted.hide(&view) {
                continue;
            }
            let set = RecordSet::open(&view, BATCH_BYTES_MAX).expect("uncompressed records");
            for record in set.iter().map(|record| record.expect("a record")) {
                // The batch that holds the offset asked for may begin before it.
                if record.offset < from {
                    continue;
                }
                let value = std::str::from_utf8(record.value.unwrap_or_default());
                let nobodys = Transaction { producer: 0, number: 0 };
                let nobodys = Written { transaction: nobodys, index: 0 };
                let written = value.unwrap_or_default().parse().unwrap_or(nobodys);
                let offset = record.offset;
                let read = Step::Read { reader, partition, offset, record: written };
                load.history.add(Event::Transaction(read));
            }
        }
        if *position > from {
            let passed = Step::Passed { reader, partition, upto: *position };
            load.history.add(Event::Transaction(passed));
        }
        let (stable, end) = (answer.last_stable_offset, answer.high_watermark);
        // With records the marks may be those of a plan of some time ago (R35).
        if records.is_empty() && stable == end && end == *position {
            // Also where nothing was ever written.
            let passed = Step::Passed { reader, partition, upto: *position };
            load.history.add(Event::Transaction(passed));
            self.settled.insert(partition);
        }
    }
}

/// The aborted transactions of one answer, as the batches of it are gone through.
struct Aborted {
    /// First offset and producer, the earliest last.
    to_come: Vec<(i64, i64)>,
    producers: BTreeSet<i64>,
}

impl Aborted {
    fn new(mut to_come: Vec<(i64, i64)>) -> Self {
        to_come.sort_unstable_by(|a, b| b.cmp(a));
        Self { to_come, producers: BTreeSet::new() }
    }

    /// Whether a client is not shown the batch.
    fn hide(&mut self, batch: &batch::BatchView<'_>) -> bool {
        while let Some((_, producer)) =
            self.to_come.pop_if(|(first_offset, _)| *first_offset <= batch.last_offset())
        {
            self.producers.insert(producer);
        }
        if batch.is_control() {
            if EndTransactionMarker::of(batch).is_some_and(|marker| !marker.commit) {
                self.producers.remove(&batch.producer_id());
            }
            return true;
        }
        batch.is_transactional() && self.producers.contains(&batch.producer_id())
    }
}
