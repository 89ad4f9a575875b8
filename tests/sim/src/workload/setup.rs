//! Creates the topics, as an administrator would: again and again until it is there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::TopicName;
use protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};

use super::Client;
use crate::kafka::text;
use crate::scenario::{Housekeeping, TOPIC, TRANSACTIONS_TOPIC};

pub(super) async fn run(mut client: Client) {
    let scenario = Arc::clone(&client.load.scenario);
    create_topic(&mut client, TOPIC, scenario.partitions, retention(&scenario.housekeeping)).await;
    if !scenario.transactions.producers.is_empty() {
        // All of it is kept: what was decided is judged by what is there at the end.
        let forever = vec![config("retention.ms", -1)];
        let partitions = scenario.transactions.partitions;
        create_topic(&mut client, TRANSACTIONS_TOPIC, partitions, forever).await;
    }
    client.load.ready.store(true, Ordering::SeqCst);
}

/// Returns when the topic is there.
async fn create_topic(
    client: &mut Client,
    name: &'static str,
    partitions: i32,
    configs: Vec<CreatableTopicConfig>,
) {
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
    loop {
        let Some(answer) = client.ask(5, &request).await else { continue };
        let code = answer.topics.first().map_or(-1, |topic| topic.error_code);
        client.load.trace.line(format_args!("create topic {name}: {code}"));
        match ErrorCode::from_code(code) {
            ErrorCode::None | ErrorCode::TopicAlreadyExists => return,
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn retention(housekeeping: &Housekeeping) -> Vec<CreatableTopicConfig> {
    let limits = [
        ("retention.bytes", housekeeping.retention_bytes),
        ("retention.ms", housekeeping.retention_ms),
    ];
    let configs =
        limits.into_iter().filter_map(|(name, limit)| Some(config(name, i64::from(limit?))));
    configs.collect()
}

fn config(name: &str, value: i64) -> CreatableTopicConfig {
    let config = CreatableTopicConfig::default().with_name(text(name));
    config.with_value(Some(text(&value.to_string())))
}
