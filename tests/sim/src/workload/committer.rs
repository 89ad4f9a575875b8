//! Groups: one client each, which commits growing offsets and asks where it is.

use std::time::Duration;

use protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};
use protocol::messages::{GroupId, TopicName};
use rand::Rng;
use tokio::time::sleep;

use super::Client;
use crate::history::Event;
use crate::kafka::text;
use crate::scenario::TOPIC;

/// The last versions that name one group and topics by name.
const COMMIT: i16 = 7;
const FETCH: i16 = 5;
/// The partition whose offset is committed: which one makes no difference.
const PARTITION: i32 = 0;

pub(super) async fn run(mut client: Client, group: u32) {
    client.wait_ready().await;
    let mut offset = 0;
    while !client.stopping() {
        offset += client.rng.random_range(1..=10);
        let acked = commit(&mut client, group, offset).await;
        let committed = Event::Committed { group, partition: PARTITION, offset, acked };
        client.load.history.add(committed);
        if client.rng.random_bool(0.5) {
            fetch(&mut client, group).await;
        }
        let pause = client.rng.random_range(50..=500);
        sleep(Duration::from_millis(pause)).await;
    }
}

fn name(group: u32) -> GroupId {
    GroupId(text(&format!("group-{group}")))
}

async fn commit(client: &mut Client, group: u32, offset: i64) -> bool {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(PARTITION)
        .with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(name(group))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    // An attempt that nobody answered may still be carried out, before the next or after it; so the
    // next commit is another offset, and the history knows of both.
    client.load.history.add(Event::Committed { group, partition: PARTITION, offset, acked: false });
    let Some(answer) = client.ask(COMMIT, &request).await else { return false };
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.into_iter().all(|partition| partition.error_code == 0)
}

/// Asks where the group is; true if there was an answer.
pub(super) async fn fetch(client: &mut Client, group: u32) -> bool {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partition_indexes(vec![PARTITION]);
    let request =
        OffsetFetchRequest::default().with_group_id(name(group)).with_topics(Some(vec![topic]));
    let Some(answer) = client.ask(FETCH, &request).await else { return false };
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let Some(partition) = partitions.into_iter().next() else { return false };
    let codes = (answer.error_code, partition.error_code);
    if codes != (0, 0) {
        client.load.trace.line(format_args!("group {group} fetch: {codes:?}"));
        return false;
    }
    let offset = partition.committed_offset;
    client.load.history.add(Event::Fetched { group, partition: PARTITION, offset });
    true
}
