//! One look at one address of a gateway set, as a client has it: connect, by TLS and as a user where
//! the listener wants that, produce one record with `acks=all`, fetch it again.
//!
//! A port that accepts proves that a process lives; a record that was written and read proves that
//! the gateway reaches the metadata, a storage node and its log. Any gateway serves any partition, so
//! what is advertised does not matter here. The versions asked for are below those in which
//! a gateway sends clients elsewhere (KIP-1102): also a set that is not the active one is looked at. Never
//! retried: a record that may have been written is one look that failed (R37).

use std::time::Duration;

use bytes::Bytes;
use process::Clock;
use process::net::Net;
use protocol::batch::{BatchBuilder, BatchView};
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{CreateTopicsRequest, FetchRequest, ProduceRequest, TopicName};
use protocol::{ErrorCode, StrBytes};
use tokio::time::timeout;
use uuid::Uuid;

use super::access::Access;
use super::connection::{Connection, Failed, check};
use crate::limits::PROBE_RETENTION;

const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 12;
const CREATE_TOPICS_VERSION: i16 = 5;
const ACKS_ALL: i16 = -1;

/// What one look needs.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) net: Net,
    pub(super) clock: Clock,
    pub(super) topic: String,
    pub(super) timeout: Duration,
}

// === impl Probe ===

impl Probe {
    /// Looks. An error says what a client there would run into.
    pub(super) async fn look(&self, address: &str, access: &Access) -> Result<(), String> {
        match timeout(self.timeout, self.try_look(address, access)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => Err(format!("{address}: {failed}")),
            Err(_) => Err(format!("{address}: no answer within {:?}", self.timeout)),
        }
    }

    async fn try_look(&self, address: &str, access: &Access) -> Result<(), Failed> {
        let mut connection = Connection::open(&self.net, address, access).await?;
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
