//! Creates the topic, as an administrator would: again and again until it is there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::TopicName;
use protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};

use super::Client;
use crate::kafka::text;
use crate::scenario::{Housekeeping, TOPIC};

pub(super) async fn run(mut client: Client) {
    create_topic(&mut client).await;
    client.load.ready.store(true, Ordering::SeqCst);
}

/// Returns when the topic is there.
async fn create_topic(client: &mut Client) {
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_num_partitions(client.load.scenario.partitions)
        .with_replication_factor(1)
        .with_configs(retention(&client.load.scenario.housekeeping));
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
    loop {
        let Some(answer) = client.ask(5, &request).await else { continue };
        let code = answer.topics.first().map_or(-1, |topic| topic.error_code);
        client.load.trace.line(format_args!("create topic: {code}"));
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
    let configs = limits.into_iter().filter_map(|(name, limit)| {
        let limit = limit?.to_string();
        let config = CreatableTopicConfig::default().with_name(text(name));
        Some(config.with_value(Some(text(&limit))))
    });
    configs.collect()
}
