//! One look at one address of a gateway set, as a client has it: connect, produce one record with
//! `acks=all`, fetch it again.
//!
//! A port that accepts proves that a process lives; a record that was written and read proves that
//! the gateway reaches the metadata, a storage node and its log. Any gateway serves any partition, so
//! what is advertised does not matter here. The versions asked for are below those in which
//! a gateway sends clients elsewhere (KIP-1102): also a set that is not the active one is looked at. Never
//! retried: a record that may have been written is one look that failed (R37).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use process::Clock;
use process::net::{Net, Stream};
use protocol::batch::{BatchBuilder, BatchView};
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{
    ApiKey, CreateTopicsRequest, FetchRequest, ProduceRequest, RequestHeader, TopicName,
};
use protocol::{Decodable, Encodable, ErrorCode, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use uuid::Uuid;

use crate::limits::{PROBE_ANSWER_BYTES_MAX, PROBE_RETENTION};

const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 12;
const CREATE_TOPICS_VERSION: i16 = 5;
const ACKS_ALL: i16 = -1;
const CLIENT_ID: &str = "thermocline-vantage";

/// What one look needs.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) net: Net,
    pub(super) clock: Clock,
    pub(super) topic: String,
    pub(super) timeout: Duration,
}

/// Why a set does not serve, for people.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{api}: {code}")]
    Code { api: &'static str, code: ErrorCode },
    #[error("{0} answers what is not Kafka's protocol")]
    Unreadable(&'static str),
    #[error("the record that was produced is not the one that is fetched")]
    Different,
}

/// A connection with its questions counted.
struct Connection {
    stream: Stream,
    asked: i32,
}

// === impl Probe ===

impl Probe {
    /// Looks. An error says what a client there would run into.
    pub(super) async fn look(&self, address: &str) -> Result<(), String> {
        match timeout(self.timeout, self.try_look(address)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => Err(format!("{address}: {failed}")),
            Err(_) => Err(format!("{address}: no answer within {:?}", self.timeout)),
        }
    }

    async fn try_look(&self, address: &str) -> Result<(), Failed> {
        let stream = self.net.connect(address).await?;
        let mut connection = Connection { stream, asked: 0 };
        let key = Uuid::new_v4();
        let now_ms = self.clock.now_ms();
        let batch = BatchBuilder::new().record(now_ms, Some(key.as_bytes()), None).build();
        let offset = match self.produce(&mut connection, batch.clone()).await {
            // Nothing happened, and it will never be there unless somebody makes it.
            Err(Failed::Code { code: ErrorCode::UnknownTopicOrPartition, .. }) => {
                self.create_topic(&mut connection).await?;
                self.produce(&mut connection, batch.clone()).await?
            }
            produced => produced?,
        };
        let fetched = self.fetch(&mut connection, offset).await?;
        let of = |bytes: &[u8]| BatchView::split(bytes).ok().map(|(batch, _)| batch.crc());
        let offset_of = |bytes: &[u8]| BatchView::split(bytes).ok().map(|it| it.0.base_offset());
        match of(&fetched) == of(&batch) && offset_of(&fetched) == Some(offset) {
            true => Ok(()),
            false => Err(Failed::Different),
        }
    }

    async fn produce(&self, connection: &mut Connection, batch: Bytes) -> Result<i64, Failed> {
        const API: &str = "Produce";
        let partition = PartitionProduceData::default().with_records(Some(batch));
        let topic = TopicProduceData::default()
            .with_name(self.topic_name())
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_acks(ACKS_ALL)
            .with_timeout_ms(self.timeout_ms())
            .with_topic_data(vec![topic]);
        let answer = connection.ask(API, &request, PRODUCE_VERSION).await?;
        let topics = answer.responses.first().ok_or(Failed::Unreadable(API))?;
        let partition = topics.partition_responses.first().ok_or(Failed::Unreadable(API))?;
        check(API, partition.error_code)?;
        Ok(partition.base_offset)
    }

    async fn fetch(&self, connection: &mut Connection, offset: i64) -> Result<Bytes, Failed> {
        const API: &str = "Fetch";
        let partition = FetchPartition::default()
            .with_fetch_offset(offset)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(-1)
            .with_partition_max_bytes(1);
        let topic =
            FetchTopic::default().with_topic(self.topic_name()).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_max_wait_ms(self.timeout_ms())
            .with_min_bytes(1)
            .with_max_bytes(1)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let answer = connection.ask(API, &request, FETCH_VERSION).await?;
        check(API, answer.error_code)?;
        let topic = answer.responses.into_iter().next().ok_or(Failed::Unreadable(API))?;
        let partition = topic.partitions.into_iter().next().ok_or(Failed::Unreadable(API))?;
        check(API, partition.error_code)?;
        Ok(partition.records.unwrap_or_default())
    }

    async fn create_topic(&self, connection: &mut Connection) -> Result<(), Failed> {
        const API: &str = "CreateTopics";
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let retention = PROBE_RETENTION.as_millis().to_string();
        let config = CreatableTopicConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text(&retention)));
        let topic = CreatableTopic::default()
            .with_name(self.topic_name())
            .with_num_partitions(1)
            .with_replication_factor(-1)
            .with_configs(vec![config]);
        let request = CreateTopicsRequest::default()
            .with_timeout_ms(self.timeout_ms())
            .with_topics(vec![topic]);
        let answer = connection.ask(API, &request, CREATE_TOPICS_VERSION).await?;
        let topic = answer.topics.first().ok_or(Failed::Unreadable(API))?;
        match ErrorCode::from_code(topic.error_code) {
            // Another vantage point was faster.
            ErrorCode::TopicAlreadyExists => Ok(()),
            _ => check(API, topic.error_code),
        }
    }

    fn topic_name(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.topic.clone()))
    }

    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

// === impl Connection ===

impl Connection {
    async fn ask<R: Request>(
        &mut self,
        api: &'static str,
        message: &R,
        version: i16,
    ) -> Result<R::Response, Failed> {
        self.asked += 1;
        let frame = frame(message, version, self.asked).ok_or(Failed::Unreadable(api))?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        let length = usize::try_from(self.stream.read_i32().await?).unwrap_or(usize::MAX);
        if length > PROBE_ANSWER_BYTES_MAX {
            return Err(Failed::Unreadable(api));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        let mut answer = Bytes::from(answer);
        // The correlation id, and tagged fields that nobody uses.
        let flexible = <R::Response as HeaderVersion>::header_version(version) >= 1;
        let header = size_of::<i32>() + usize::from(flexible);
        if answer.len() < header || answer[..size_of::<i32>()] != self.asked.to_be_bytes() {
            return Err(Failed::Unreadable(api));
        }
        let mut body = answer.split_off(header);
        <R::Response as Decodable>::decode(&mut body, version).map_err(|_| Failed::Unreadable(api))
    }
}

/// A request as it travels. `None` never: the versions above have every field that is set.
fn frame<R: Request>(message: &R, version: i16, correlation_id: i32) -> Option<BytesMut> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
    let mut frame = BytesMut::zeroed(size_of::<i32>());
    let api = ApiKey::try_from(R::KEY).ok()?;
    header.encode(&mut frame, api.request_header_version(version)).ok()?;
    message.encode(&mut frame, version).ok()?;
    let length = i32::try_from(frame.len() - size_of::<i32>()).ok()?;
    frame[..size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
    Some(frame)
}

fn check(api: &'static str, code: i16) -> Result<(), Failed> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(Failed::Code { api, code }),
    }
}
