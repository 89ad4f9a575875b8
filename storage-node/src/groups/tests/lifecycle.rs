//! Shards come, go, tick, and survive bugs.

use std::time::Duration;

use hop::Response;
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::OffsetDeleteRequest;
use protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;

use super::harness::{
    Host, commit, commit_code, is_waiting, join, joined, sync, the_topic_that_panics,
};
use super::memory_log::{MemoryLog, Mood};

/// A group with one settled member, and the JoinGroup of another one that waits for it.
async fn with_a_waiting_join(
    host: &Host,
) -> (protocol::messages::JoinGroupResponse, futures::future::BoxFuture<'static, Response>) {
    let member = host.join_alone("g").await;
    host.call(sync("g", &member)).await;
    let given = joined(host.call(join("g", "")).await);
    let mut waiting = host.call(join("g", &given.member_id));
    assert!(is_waiting(&mut waiting).await);
    (member, waiting)
}

#[tokio::test(start_paused = true)]
async fn a_member_that_falls_silent_is_removed() {
    let host = Host::on(&MemoryLog::new()).await;
    let member = host.join_alone("g").await;
    host.pass(Duration::from_secs(9)).await;
    assert_eq!(host.heartbeat("g", &member).await, ErrorCode::None);
    host.pass(Duration::from_secs(9)).await;
    assert_eq!(host.heartbeat("g", &member).await, ErrorCode::None);
    host.pass(Duration::from_secs(11)).await;
    assert_eq!(host.heartbeat("g", &member).await, ErrorCode::UnknownMemberId);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_process_removes_nobody() {
    let host = Host::on(&MemoryLog::new()).await;
    let member = host.join_alone("g").await;
    host.clock.advance(Duration::from_secs(3_600));
    host.pass(Duration::from_secs(5)).await;
    assert_eq!(host.heartbeat("g", &member).await, ErrorCode::None);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_when_the_shard_goes_is_answered() {
    let host = Host::on(&MemoryLog::new()).await;
    let (_, waiting) = with_a_waiting_join(&host).await;
    host.shards.stop(0);
    assert_eq!(joined(waiting.await).error_code, ErrorCode::NotCoordinator.code());
    assert_eq!(host.commit("g", 1).await, ErrorCode::NotCoordinator);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_when_the_process_drains_is_answered() {
    let host = Host::on(&MemoryLog::new()).await;
    let (_, waiting) = with_a_waiting_join(&host).await;
    assert!(host.drain.finish(Duration::from_secs(5)).await);
    assert_eq!(joined(waiting.await).error_code, ErrorCode::NotCoordinator.code());
}

#[tokio::test(start_paused = true)]
async fn a_commit_on_its_way_when_the_process_drains_is_answered_by_its_outcome() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    log.set(Mood::Held);
    let mut answer = host.call(commit("g", 5));
    host.idle().await;
    host.drain.begin();
    assert!(is_waiting(&mut answer).await);
    assert_eq!(host.commit("g", 6).await, ErrorCode::NotCoordinator, "nothing new is taken");
    log.set(Mood::Well);
    assert_eq!(commit_code(&answer.await), ErrorCode::None);
    assert!(host.drain.finish(Duration::from_secs(5)).await);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_comes_back_starts_from_the_log() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    let (member, _waiting) = with_a_waiting_join(&host).await;
    host.shards.stop(0);
    host.start(0, &log).await;
    assert_eq!(host.heartbeat("g", &member).await, ErrorCode::None, "the settled generation");
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_the_coordinator_costs_a_reload_and_nothing_more() {
    let host = Host::on(&MemoryLog::new()).await;
    let member = host.join_alone("g").await;
    host.call(sync("g", &member)).await;
    assert_eq!(host.commit("other", 7).await, ErrorCode::None);

    let topic = OffsetDeleteRequestTopic::default()
        .with_name(StrBytes::from(the_topic_that_panics().simple_text()).into());
    let request = OffsetDeleteRequest::default()
        .with_group_id(StrBytes::from("g").into())
        .with_topics(vec![topic]);
    let Response::OffsetDelete(answer) = host.call(request).await else { panic!() };
    assert_eq!(answer.error_code, ErrorCode::NotCoordinator.code());

    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(host.committed("other").await, (ErrorCode::None, 7));
    assert_eq!(host.heartbeat("g", &member).await, ErrorCode::None);
}

#[tokio::test(start_paused = true)]
async fn member_ids_of_two_loads_differ() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    let first = joined(host.call(join("g", "")).await).member_id;
    host.shards.stop(0);
    host.start(0, &log).await;
    let second = joined(host.call(join("g", "")).await).member_id;
    assert_ne!(first, second);
}
