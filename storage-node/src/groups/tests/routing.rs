//! Every group has one shard; requests for several are split up and put together again.

use hop::{Response, listed_shards};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest};

use super::harness::{Host, fetch, fetched, group_in, join, joined};
use super::memory_log::{MemoryLog, Mood};

/// Three shards in the cluster, the first two of them here.
async fn two_of_three() -> (Host, [MemoryLog; 2]) {
    let host = Host::of(3);
    let logs = [MemoryLog::new(), MemoryLog::new()];
    host.start(0, &logs[0]).await;
    host.start(1, &logs[1]).await;
    (host, logs)
}

fn ids(groups: &[&'static str]) -> Vec<GroupId> {
    groups.iter().map(|group| StrBytes::from(*group).into()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_group_is_kept_by_the_shard_that_its_name_hashes_to() {
    let (host, logs) = two_of_three().await;
    assert_eq!(host.commit(group_in(1, 3), 5).await, ErrorCode::None);
    assert_eq!((logs[0].records(), logs[1].records()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_group_of_a_shard_elsewhere_is_not_coordinated_here() {
    let (host, _) = two_of_three().await;
    let elsewhere = group_in(2, 3);
    assert_eq!(host.commit(elsewhere, 5).await, ErrorCode::NotCoordinator);
    let refused = joined(host.call(join(elsewhere, "me")).await);
    assert_eq!(refused.error_code, ErrorCode::NotCoordinator.code());
    assert_eq!(refused.member_id.as_str(), "me");
    assert_eq!(refused.protocol_name, None);
}

#[tokio::test(start_paused = true)]
async fn offsets_of_several_groups_come_in_the_order_asked_each_with_its_own_error() {
    let (host, _) = two_of_three().await;
    let (zero, one, two) = (group_in(0, 3), group_in(1, 3), group_in(2, 3));
    host.commit(zero, 10).await;
    host.commit(one, 11).await;
    let groups = fetched(host.call(fetch(&[one, two, zero])).await);
    let seen: Vec<_> = groups
        .iter()
        .map(|group| {
            let partition = &group.topics[0].partitions[0];
            (group.group_id.as_str(), partition.error_code, partition.committed_offset)
        })
        .collect();
    let not_here = ErrorCode::NotCoordinator.code();
    assert_eq!(seen, [(one, 0, 11), (two, not_here, -1), (zero, 0, 10)]);
}

#[tokio::test(start_paused = true)]
async fn groups_are_described_and_deleted_in_the_order_asked() {
    let (host, _) = two_of_three().await;
    let (zero, one, two) = (group_in(0, 3), group_in(1, 3), group_in(2, 3));
    host.commit(zero, 10).await;
    host.commit(one, 11).await;

    let request = DescribeGroupsRequest::default().with_groups(ids(&[two, one, zero]));
    let Response::DescribeGroups(described) = host.call(request).await else { panic!() };
    let seen: Vec<_> = described
        .groups
        .iter()
        .map(|g| (g.group_id.as_str(), g.error_code, g.group_state.as_str()))
        .collect();
    let not_here = ErrorCode::NotCoordinator.code();
    assert_eq!(seen, [(two, not_here, ""), (one, 0, "Empty"), (zero, 0, "Empty")]);

    let request = DeleteGroupsRequest::default().with_groups_names(ids(&[one, two, zero]));
    let Response::DeleteGroups(deleted) = host.call(request).await else { panic!() };
    let codes: Vec<_> = deleted.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [0, not_here, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_groups_of_all_shards_here_are_listed() {
    let (host, _) = two_of_three().await;
    host.commit(group_in(0, 3), 1).await;
    host.commit(group_in(1, 3), 1).await;
    let answer = host.call(ListGroupsRequest::default()).await;
    let Response::ListGroups(listed) = answer else { panic!() };
    assert_eq!((listed.error_code, listed.groups.len()), (0, 2));
    assert_eq!(listed_shards::get(&listed.unknown_tagged_fields), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_list_without_a_loading_shard_is_marked_as_incomplete() {
    let (host, _) = two_of_three().await;
    host.commit(group_in(0, 3), 1).await;
    let held = MemoryLog::new();
    held.set(Mood::Held);
    host.start(2, &held).await;
    let answer = host.call(ListGroupsRequest::default()).await;
    let Response::ListGroups(listed) = answer else { panic!() };
    assert_eq!(listed.error_code, ErrorCode::CoordinatorLoadInProgress.code());
    assert_eq!(listed.groups.len(), 1);
    assert_eq!(listed_shards::get(&listed.unknown_tagged_fields), [0, 1], "not the one that loads");
}
