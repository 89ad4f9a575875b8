//! Nothing is answered from a state that is not complete (R41).

use std::sync::Arc;
use std::time::Duration;

use hop::Response;
use protocol::error::ErrorCode;
use tokio::time::Instant;

use super::harness::{Host, commit, commit_code, fetch, fetched, heartbeat, join, joined, sync};
use super::memory_log::{MemoryLog, Mood};

/// A host whose only shard cannot read its log yet.
async fn loading(log: &MemoryLog) -> Host {
    log.set(Mood::Held);
    let host = Host::of(1);
    host.start(0, log).await;
    host
}

#[tokio::test(start_paused = true)]
async fn while_a_shard_loads_its_clients_are_told_to_wait() {
    let host = loading(&MemoryLog::new()).await;
    let load = ErrorCode::CoordinatorLoadInProgress;
    assert_eq!(host.commit("g", 1).await, load);
    assert_eq!(joined(host.call(join("g", "")).await).error_code, load.code());
    let group = &fetched(host.call(fetch(&["g"])).await)[0];
    assert_eq!(group.error_code, load.code());
    assert_eq!(group.topics[0].partitions[0].error_code, load.code(), "a line for each (C4)");
    assert_eq!(group.topics[0].partitions[0].committed_offset, -1);
}

#[tokio::test(start_paused = true)]
async fn while_a_shard_loads_members_hear_what_they_understand() {
    let host = loading(&MemoryLog::new()).await;
    let member = protocol::messages::JoinGroupResponse::default();
    let beat = host.call(heartbeat("g", &member)).await;
    assert!(matches!(beat, Response::Heartbeat(answer) if answer.error_code == 0));
    let Response::SyncGroup(answer) = host.call(sync("g", &member)).await else { panic!() };
    assert_eq!(answer.error_code, ErrorCode::RebalanceInProgress.code());
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_is_tried_again_until_it_succeeds() {
    let log = MemoryLog::new();
    Host::on(&log).await.commit("g", 7).await;
    let replays = log.replays();
    log.fail_replays(5);
    let host = Host::of(1);
    host.shards.start(0, Arc::new(log.clone()));
    assert_eq!(host.committed("g").await.0, ErrorCode::CoordinatorLoadInProgress);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(host.committed("g").await, (ErrorCode::None, 7));
    assert_eq!(log.replays() - replays, 6);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_never_skipped() {
    let log = MemoryLog::new();
    Host::on(&log).await.commit("g", 7).await;
    log.corrupt();
    let host = Host::on(&log).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(host.committed("g").await.0, ErrorCode::CoordinatorLoadInProgress);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_lost_while_loading_is_not_served() {
    let log = MemoryLog::new();
    let host = loading(&log).await;
    log.set(Mood::Lost);
    host.idle().await;
    let answer = host.call(commit("g", 1)).await;
    assert_eq!(commit_code(&answer), ErrorCode::NotCoordinator);
}

#[tokio::test(start_paused = true)]
async fn while_ownership_cannot_be_proven_requests_cost_few_loads() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    assert_eq!(host.commit("g", 7).await, ErrorCode::None);
    let replays = log.replays();
    log.set(Mood::Unproven);
    let began = Instant::now();
    for _ in 0..1_000 {
        let (code, _) = host.committed("g").await;
        let retriable = [ErrorCode::CoordinatorLoadInProgress, ErrorCode::NotCoordinator];
        assert!(retriable.contains(&code), "{code:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(21), "each is answered at once");
    // At once, after 20 ms, twice that and so on up to two seconds, then one each two seconds.
    assert!(log.replays() - replays <= 20, "{} loads in 20 s", log.replays() - replays);

    log.set(Mood::Well);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(host.committed("g").await, (ErrorCode::None, 7));
}
