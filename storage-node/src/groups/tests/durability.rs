//! No answer shows what a crash could take back (C1, R6).

use std::time::Duration;

use protocol::error::ErrorCode;

use super::harness::{Host, commit, commit_code, fetch, fetched, is_waiting};
use super::memory_log::{MemoryLog, Mood};
use crate::groups::GroupsConfig;

#[tokio::test(start_paused = true)]
async fn a_commit_is_answered_once_it_is_durable() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    log.set(Mood::Held);
    let mut answer = host.call(commit("g", 5));
    assert!(is_waiting(&mut answer).await);
    assert_eq!(log.records(), 1, "it is on its way");
    log.set(Mood::Well);
    assert_eq!(commit_code(&answer.await), ErrorCode::None);
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_the_commits_that_it_shows() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    log.set(Mood::Held);
    let _commit = host.call(commit("g", 5));
    let mut read = host.call(fetch(&["g"]));
    assert!(is_waiting(&mut read).await);
    log.set(Mood::Well);
    assert_eq!(fetched(read.await)[0].topics[0].partitions[0].committed_offset, 5);
}

#[tokio::test(start_paused = true)]
async fn a_read_is_not_answered_without_proof_of_ownership() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    log.set(Mood::Held);
    let mut read = host.call(fetch(&["g"]));
    assert!(is_waiting(&mut read).await, "somebody else may have taken over");
    log.set(Mood::Lost);
    let group = &fetched(read.await)[0];
    assert_eq!(group.error_code, ErrorCode::NotCoordinator.code());
    let partition = &group.topics[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::NotCoordinator.code(), "not -1 (C1)");
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_log_is_lost_sends_the_client_to_the_next_coordinator() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    log.set(Mood::Held);
    let answer = host.call(commit("g", 5));
    host.idle().await;
    log.set(Mood::Lost);
    assert_eq!(commit_code(&answer.await), ErrorCode::NotCoordinator);
    assert_eq!(host.commit("g", 6).await, ErrorCode::NotCoordinator);
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_is_there_after_a_failover() {
    let log = MemoryLog::new();
    let before = Host::on(&log).await;
    assert_eq!(before.commit("g", 42).await, ErrorCode::None);
    let after = Host::on(&log).await;
    assert_eq!(after.committed("g").await, (ErrorCode::None, 42));
}

#[tokio::test(start_paused = true)]
async fn commits_that_arrive_together_share_a_batch() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    let answers: Vec<_> = (0..100).map(|offset| host.call(commit("g", offset))).collect();
    for answer in answers {
        assert_eq!(commit_code(&answer.await), ErrorCode::None);
    }
    assert_eq!(log.records(), 100);
    assert!(log.batches() <= 2, "{} batches", log.batches());
    assert_eq!(host.committed("g").await.1, 99, "in the order of the calls");
}

#[tokio::test(start_paused = true)]
async fn a_full_front_is_waited_for() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    log.set(Mood::Full);
    let mut answer = host.call(commit("g", 5));
    assert!(is_waiting(&mut answer).await);
    log.set(Mood::Well);
    assert_eq!(commit_code(&answer.await), ErrorCode::None);
    assert_eq!(log.records(), 1);
}

#[tokio::test(start_paused = true)]
async fn commands_that_pile_up_are_refused_before_they_cost_memory() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    log.set(Mood::Full);
    let _stuck = host.call(commit("g", 0));
    host.idle().await;
    let mut answers: Vec<_> = (0..5_000).map(|offset| host.call(commit("g", offset))).collect();
    let last = answers.pop().expect("there are five thousand").await;
    assert_eq!(commit_code(&last), ErrorCode::CoordinatorNotAvailable);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_replaces_the_log_before_it() {
    let log = MemoryLog::new();
    let config = GroupsConfig { snapshot_records: 10, ..GroupsConfig::default() };
    let host = Host::with(1, config);
    host.start(0, &log).await;
    for offset in 0..25 {
        assert_eq!(host.commit("g", offset).await, ErrorCode::None);
    }
    host.idle().await;
    assert!(log.start() >= 20, "log start is {}", log.start());
    let after = Host::on(&log).await;
    assert_eq!(after.committed("g").await, (ErrorCode::None, 24));
}

#[tokio::test(start_paused = true)]
async fn the_log_is_not_cut_before_the_snapshot_is_durable() {
    let log = MemoryLog::new();
    let config = GroupsConfig { snapshot_records: 5, ..GroupsConfig::default() };
    let host = Host::with(1, config);
    host.start(0, &log).await;
    log.set(Mood::Held);
    let answers: Vec<_> = (0..8).map(|offset| host.call(commit("g", offset))).collect();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(log.records() > 8, "the snapshot is written");
    assert_eq!(log.start(), 0);
    log.set(Mood::Well);
    for answer in answers {
        assert_eq!(commit_code(&answer.await), ErrorCode::None);
    }
    host.idle().await;
    assert!(log.start() >= 8);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_has_become_empty_needs_no_log() {
    let log = MemoryLog::new();
    let config = GroupsConfig { snapshot_records: 2, ..GroupsConfig::default() };
    let host = Host::with(1, config);
    host.start(0, &log).await;
    host.commit("g", 1).await;
    let request = protocol::messages::DeleteGroupsRequest::default()
        .with_groups_names(vec![protocol::StrBytes::from("g").into()]);
    host.call(request).await;
    host.idle().await;
    assert_eq!(log.start(), 2);
    assert_eq!(log.records(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_appended_does_not_stay_in_memory() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    assert_eq!(host.commit("g", 1).await, ErrorCode::None);
    log.set(Mood::Refusing);
    assert_eq!(host.commit("g", 2).await, ErrorCode::NotCoordinator);
    log.set(Mood::Well);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(host.committed("g").await, (ErrorCode::None, 1), "the shard was loaded again");
}
