//! Nothing that a tenant is answered tells whether another one exists (R56).
//!
//! Two clusters are asked the same at random: in one of them a second tenant uses the same names,
//! makes and deletes, writes and reads in between. The answers must be equal to the last field;
//! only ids that are random anyway are given their order of appearance. Groups and transactions
//! live behind the gateway, where the fakes of this harness have no tenants, and are not asked.
//!
//! `ISOLATION_CALLS` sets the number of calls (CI: 5,000).

use std::collections::HashMap;
use std::fmt::Debug;

use gateway::{Config, ListenerConfig};
use protocol::Request;
use protocol::ids::TenantId;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeTopicPartitionsRequest, ListConfigResourcesRequest,
    ListOffsetsRequest, MetadataRequest,
};
use regex::Regex;

use super::put_tenant;
use crate::fetch::{at_once, fetch};
use crate::produce::produce;
use crate::support::{Client, Cluster, Gateway, eventually, name, text};

/// The tenant that is watched, and the one that may be there.
const TENANTS: [(&str, TenantId); 2] = [("one", TenantId(7)), ("other", TenantId(8))];

const TOPICS: [&str; 4] = ["orders", "payments", "a.b", "clicks"];

const CALLS: usize = 5_000;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

/// A cluster as one tenant's client sees it.
struct World {
    client: Client,
    names: HashMap<String, usize>,
    ids: Regex,
}

/// A gateway with a listener for each tenant, whether there is such a tenant or not.
async fn gateway(cluster: &Cluster) -> Gateway {
    let listener = |(tenant, _): (&str, TenantId)| ListenerConfig {
        name: Some(tenant.to_owned()),
        bind: "127.0.0.1:0".to_owned(),
        // Ports differ between clusters by nature.
        advertised_port: Some(9_092),
        tenant: Some(tenant.to_owned()),
        ..ListenerConfig::default()
    };
    let configure = |config: &mut Config| {
        config.listeners = TENANTS.map(listener).to_vec();
        config.auto_create_topics = false;
    };
    let gateway = cluster.gateway_with(1, configure).await;
    eventually("the tenants are known", || super::knows_tenants(&gateway)).await;
    gateway
}

// === impl Dice ===

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 33) as usize % sides
    }

    fn topic(&mut self) -> &'static str {
        TOPICS[self.roll(TOPICS.len())]
    }

    fn index(&mut self) -> i32 {
        self.roll(4) as i32
    }
}

// === impl World ===

impl World {
    /// A client of the tenant whose listener is at this place.
    async fn new(gateway: &Gateway, listener: usize) -> Self {
        let client = Client::connect(gateway.addresses[listener]).await;
        let ids = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
        Self { client, names: HashMap::new(), ids: Regex::new(ids).unwrap() }
    }

    async fn ask<R: Request>(&mut self, version: i16, request: R) -> String
    where
        R::Response: Debug,
    {
        let answer = format!("{:?}", self.client.call(version, request).await);
        let Self { names, ids, .. } = self;
        let named = ids.replace_all(&answer, |found: &regex::Captures<'_>| {
            let next = names.len();
            format!("id-{}", names.entry(found[0].to_owned()).or_insert(next))
        });
        named.into_owned()
    }

    /// Something at random, and what is answered.
    async fn step(&mut self, dice: &mut Dice) -> String {
        let (topic, index) = (dice.topic(), dice.index());
        match dice.roll(11) {
            0 => {
                let topic = CreatableTopic::default()
                    .with_name(name(topic))
                    .with_num_partitions(1 + index)
                    .with_replication_factor(-1);
                let request = CreateTopicsRequest::default();
                self.ask(7, request.with_timeout_ms(9_000).with_topics(vec![topic])).await
            }
            1 => {
                let topic = DeleteTopicState::default().with_name(Some(name(topic)));
                let request = DeleteTopicsRequest::default();
                self.ask(6, request.with_timeout_ms(9_000).with_topics(vec![topic])).await
            }
            2 => {
                let topic =
                    CreatePartitionsTopic::default().with_name(name(topic)).with_count(1 + index);
                let request = CreatePartitionsRequest::default();
                self.ask(3, request.with_timeout_ms(9_000).with_topics(vec![topic])).await
            }
            3 => self.ask(12, MetadataRequest::default().with_topics(None)).await,
            4 => {
                let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
                self.ask(12, MetadataRequest::default().with_topics(Some(vec![topic]))).await
            }
            5 => self.ask(0, DescribeTopicPartitionsRequest::default()).await,
            6 => self.ask(9, produce(topic, &[(index, topic)])).await,
            7 => self.ask(12, at_once(fetch(topic, &[(index, 0)]))).await,
            8 => {
                let partition =
                    ListOffsetsPartition::default().with_partition_index(index).with_timestamp(-1);
                let topic = ListOffsetsTopic::default().with_name(name(topic));
                let topic = topic.with_partitions(vec![partition]);
                let request = ListOffsetsRequest::default().with_replica_id((-1).into());
                self.ask(7, request.with_topics(vec![topic])).await
            }
            9 => {
                let topic = DescribeConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(text(topic))
                    .with_configuration_keys(None);
                self.ask(4, DescribeConfigsRequest::default().with_resources(vec![topic])).await
            }
            _ => {
                let cluster = DescribeClusterRequest::default().with_endpoint_type(1);
                let cluster = self.ask(1, cluster).await;
                let listed = self.ask(1, ListConfigResourcesRequest::default()).await;
                cluster + &listed
            }
        }
    }
}

#[tokio::test]
async fn no_answer_tells_whether_another_tenant_exists() {
    let calls = std::env::var("ISOLATION_CALLS").ok().and_then(|calls| calls.parse().ok());
    let calls: usize = calls.unwrap_or(CALLS);
    let (quiet, busy) = (Cluster::start().await, Cluster::start().await);
    put_tenant(&quiet, TENANTS[0].0, TENANTS[0].1, &[]).await;
    for (name, id) in TENANTS {
        put_tenant(&busy, name, id, &[]).await;
    }
    let (alone, shared) = (gateway(&quiet).await, gateway(&busy).await);
    let mut alone = World::new(&alone, 0).await;
    let (mut beside, mut other) = (World::new(&shared, 0).await, World::new(&shared, 1).await);
    let (mut dice, mut again, mut others) = (Dice(1), Dice(1), Dice(2));
    let mut answers = std::collections::HashSet::new();
    for call in 0..calls {
        other.step(&mut others).await;
        let expected = alone.step(&mut dice).await;
        assert_eq!(beside.step(&mut again).await, expected, "call {call}");
        answers.insert(expected);
    }
    assert!(answers.len() > 100, "the same few answers prove nothing: {}", answers.len());
}
