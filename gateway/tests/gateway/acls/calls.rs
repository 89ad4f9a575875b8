//! A call of every API, so that there is something to be allowed or denied in each.

mod administration;
mod groups;
mod transactions;

use protocol::Request;
use protocol::ids::TopicId;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::{
    ApiKey, ApiVersionsRequest, DescribeClusterRequest, DescribeProducersRequest,
    ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest, SaslAuthenticateRequest,
    SaslHandshakeRequest,
};

use crate::fetch::{at_once, fetch};
use crate::produce::produce;
use crate::support::{Client, id, name, text};
use crate::{admin, placement};

const FIRST_BY_ID: i16 = 13;

/// One call to make.
pub(super) struct Call<'a> {
    pub(super) api: ApiKey,
    /// Which of an API's calls.
    pub(super) case: &'a str,
    pub(super) version: i16,
    /// A topic that is there.
    pub(super) orders: TopicId,
    /// A topic that may be deleted.
    pub(super) doomed: TopicId,
}

/// Makes the call; what is answered, as text.
pub(super) async fn make(client: &mut Client, call: &Call<'_>) -> String {
    let version = call.version;
    match call.api {
        ApiKey::Produce => {
            let mut request = produce("orders", &[(0, "a")]);
            if call.case == "transactional" {
                request.transactional_id = Some(text("t").into());
            }
            if version >= FIRST_BY_ID {
                request.topic_data[0].name = Default::default();
                request.topic_data[0].topic_id = id(call.orders);
            }
            told(client, version, request).await
        }
        ApiKey::Fetch => {
            let mut request = at_once(fetch("orders", &[(0, 0)]));
            if version >= FIRST_BY_ID {
                request.topics[0].topic = Default::default();
                request.topics[0].topic_id = id(call.orders);
            }
            told(client, version, request).await
        }
        ApiKey::ListOffsets => {
            let partition = ListOffsetsPartition::default().with_timestamp(-1);
            let topic = ListOffsetsTopic::default()
                .with_name(name("orders"))
                .with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default().with_topics(vec![topic]);
            told(client, version, request).await
        }
        ApiKey::OffsetForLeaderEpoch => {
            let topic = OffsetForLeaderTopic::default()
                .with_topic(name("orders"))
                .with_partitions(vec![OffsetForLeaderPartition::default()]);
            let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
            told(client, version, request).await
        }
        ApiKey::DeleteRecords => told(client, version, admin::deletion(&[(0, 0)])).await,
        ApiKey::DescribeProducers => {
            let topic =
                TopicRequest::default().with_name(name("orders")).with_partition_indexes(vec![0]);
            let request = DescribeProducersRequest::default().with_topics(vec![topic]);
            told(client, version, request).await
        }
        _ => everything_else(client, call).await,
    }
}

async fn everything_else(client: &mut Client, call: &Call<'_>) -> String {
    let version = call.version;
    match call.api {
        ApiKey::Metadata => metadata(client, call).await,
        ApiKey::DescribeTopicPartitions => {
            let topics: &[&str] = if call.case == "all" { &[] } else { &["orders"] };
            told(client, version, placement::describe(topics, 100)).await
        }
        ApiKey::SaslHandshake => told(client, version, SaslHandshakeRequest::default()).await,
        ApiKey::SaslAuthenticate => told(client, version, SaslAuthenticateRequest::default()).await,
        ApiKey::DescribeCluster => told(client, version, DescribeClusterRequest::default()).await,
        ApiKey::ApiVersions => {
            let mut request = ApiVersionsRequest::default();
            if version >= 3 {
                request.client_software_name = text("test");
                request.client_software_version = text("1");
            }
            told(client, version, request).await
        }
        _ => match groups::make(client, call).await {
            Some(told) => told,
            None => match transactions::make(client, call).await {
                Some(told) => told,
                None => administration::make(client, call).await,
            },
        },
    }
}

async fn metadata(client: &mut Client, call: &Call<'_>) -> String {
    let by_name = |topic: &str| MetadataRequestTopic::default().with_name(Some(name(topic)));
    let topics = match call.case {
        "named" => Some(vec![by_name("orders")]),
        "by id" => {
            let topic = MetadataRequestTopic::default().with_name(None);
            Some(vec![topic.with_topic_id(id(call.orders))])
        }
        "all" if call.version == 0 => Some(Vec::new()),
        "all" => None,
        born => Some(vec![by_name(born)]),
    };
    let request = MetadataRequest::default().with_topics(topics);
    told(client, call.version, request.with_allow_auto_topic_creation(true)).await
}

/// What is answered to a request.
async fn told<R: Request>(client: &mut Client, version: i16, request: R) -> String
where
    R::Response: std::fmt::Debug,
{
    format!("{:?}", client.call(version, request).await)
}
