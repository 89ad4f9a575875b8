//! Whether every transaction is over: with no client alive, each partition's last stable offset is its
//! high watermark, and no group has an offset that may still become another one (T6, KIP-890).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::{ListOffsetsRequest, MetadataRequest, OffsetFetchRequest, TopicName};
use protocol::{ErrorCode, StrBytes};
use tokio::time::Instant;

use crate::raw::Raw;

/// Offsets at the end of a partition.
const LATEST: i64 = -1;
const PAUSE: Duration = Duration::from_millis(200);
/// Of a coordinator: how often it looks for transactions whose time is over, and then the markers.
const ABORT_TIME: Duration = Duration::from_secs(30);

/// A partition of a topic, by names.
type Place = (TopicName, i32);

/// Waits until every transaction is over, for as long as the longest may stay open and a while; what is
/// still open then, in words, and how long it took.
///
/// `groups` are those whose offsets may be part of transactions, all of them for partition 0 of `topic`.
pub(super) fn settle(
    bootstrap: &str,
    topic: &str,
    groups: &[String],
    timeout: Duration,
) -> Result<(Vec<String>, Duration)> {
    let started = Instant::now();
    loop {
        let mut raw = Raw::connect(bootstrap, "settled")?;
        let open = open_partitions(&mut raw)
            .and_then(|open| Ok([open, unstable(&mut raw, topic, groups)?].concat()))
            .with_context(|| format!("after {:?}", started.elapsed()));
        let time_is_over = started.elapsed() > timeout + ABORT_TIME;
        match open {
            Ok(open) if open.is_empty() || time_is_over => return Ok((open, started.elapsed())),
            Err(error) if time_is_over => return Err(error),
            _ => std::thread::sleep(PAUSE),
        }
    }
}

/// Partitions of all topics whose ends differ.
fn open_partitions(raw: &mut Raw) -> Result<Vec<String>> {
    let answer = raw.ask(&MetadataRequest::default().with_topics(None), 12)?;
    let mut places = Vec::new();
    for topic in answer.topics {
        let name = topic.name.context("a name")?;
        places.extend(topic.partitions.iter().map(|at| (name.clone(), at.partition_index)));
    }
    let stable = ends(raw, &places, 1)?;
    let all = ends(raw, &places, 0)?;
    let differ = all.iter().filter(|(place, end)| stable.get(*place) != Some(end));
    Ok(differ
        .map(|(place, end)| {
            format!("{}-{}: stable to {:?} of {end}", &**place.0, place.1, stable.get(place))
        })
        .collect())
}

fn ends(raw: &mut Raw, places: &[Place], isolation: i8) -> Result<BTreeMap<Place, i64>> {
    let mut topics: BTreeMap<TopicName, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (topic, index) in places {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(*index)
            .with_current_leader_epoch(-1)
            .with_timestamp(LATEST);
        topics.entry(topic.clone()).or_default().push(wanted);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        ListOffsetsTopic::default().with_name(name).with_partitions(partitions)
    });
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation)
        .with_topics(topics.collect());
    let mut ends = BTreeMap::new();
    for topic in raw.ask(&request, 7)?.topics {
        for partition in topic.partitions {
            let code = ErrorCode::from_code(partition.error_code);
            anyhow::ensure!(code.is_none(), "{:?}: {}", topic.name, code.name());
            ends.insert((topic.name.clone(), partition.partition_index), partition.offset);
        }
    }
    Ok(ends)
}

/// Groups with an offset that is part of an open transaction.
fn unstable(raw: &mut Raw, topic: &str, groups: &[String]) -> Result<Vec<String>> {
    let mut unstable = Vec::new();
    for group in groups {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(StrBytes::from(topic.to_owned()).into())
            .with_partition_indexes(vec![0]);
        let wanted = OffsetFetchRequestGroup::default()
            .with_group_id(StrBytes::from(group.clone()).into())
            .with_topics(Some(vec![topic]));
        let request =
            OffsetFetchRequest::default().with_require_stable(true).with_groups(vec![wanted]);
        let answer = raw.ask(&request, 8)?;
        let partition = &answer.groups[0].topics[0].partitions[0];
        match ErrorCode::from_code(partition.error_code) {
            ErrorCode::None => {}
            ErrorCode::UnstableOffsetCommit => unstable.push(format!("{group}: unstable")),
            code => anyhow::bail!("offsets of {group}: {}", code.name()),
        }
    }
    Ok(unstable)
}
