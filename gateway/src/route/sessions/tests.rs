//! Sessions as a client drives them, without a gateway around.

use bytes::Bytes;
use protocol::StrBytes;
use protocol::ids::TenantId;
use protocol::messages::fetch_request::{FetchPartition as Wanted, FetchTopic, ForgottenTopic};

use super::*;

const VERSION: i16 = 12;

fn sessions(slots: usize) -> Sessions {
    let config = FetchConfig { sessions: slots, ..FetchConfig::default() };
    Sessions::new(&config, 7, 1)
}

fn tenant(id: u32) -> Identity {
    Identity { tenant: TenantId(id), principal: StrBytes::from_static_str("User:a") }
}

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

fn request(id: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
    let partitions: Vec<_> =
        partitions.iter().map(|index| Wanted::default().with_partition(*index)).collect();
    let topic = FetchTopic::default().with_topic(name()).with_partitions(partitions);
    let topics = if topic.partitions.is_empty() { Vec::new() } else { vec![topic] };
    FetchRequest::default().with_session_id(id).with_session_epoch(epoch).with_topics(topics)
}

/// Every partition asked for is answered with this high watermark and that many bytes.
fn results(fetching: &Fetching, high_watermark: i64, bytes: usize) -> Vec<Found> {
    let answer = |asked: &Asked| {
        let mut partition = FetchPartition::new(asked.index);
        partition.high_watermark = high_watermark;
        partition.records = if bytes > 0 { vec![Bytes::from(vec![0; bytes])] } else { Vec::new() };
        Found { topic: asked.topic.clone(), partition }
    };
    fetching.asked.iter().map(answer).collect()
}

/// Begins a session over `partitions`; its id.
fn begin(sessions: &Sessions, owner: &Identity, partitions: &[i32]) -> i32 {
    let fetching = sessions.begin(owner, VERSION, &request(0, 0, partitions)).unwrap();
    let results = results(&fetching, 10, 0);
    sessions.finish(owner, fetching, results).session_id
}

fn answered(response: &FetchResponse) -> Vec<i32> {
    response.topics.iter().flat_map(|topic| &topic.partitions).map(|p| p.index).collect()
}

fn asked(fetching: &Fetching) -> Vec<i32> {
    fetching.asked.iter().map(|asked| asked.index).collect()
}

#[tokio::test]
async fn only_partitions_with_news_are_answered() {
    let (sessions, owner) = (sessions(10), tenant(1));
    let id = begin(&sessions, &owner, &[0, 1]);
    assert_ne!(id, 0);

    let unchanged = sessions.begin(&owner, VERSION, &request(id, 1, &[])).unwrap();
    assert_eq!(asked(&unchanged), [0, 1]);
    let same = results(&unchanged, 10, 0);
    assert!(answered(&sessions.finish(&owner, unchanged, same)).is_empty());

    let moved = sessions.begin(&owner, VERSION, &request(id, 2, &[])).unwrap();
    let mut news = results(&moved, 10, 0);
    news[1].partition.high_watermark = 11;
    assert_eq!(answered(&sessions.finish(&owner, moved, news)), [1]);
}

#[tokio::test]
async fn an_error_is_news_and_so_is_its_end() {
    let (sessions, owner) = (sessions(10), tenant(1));
    let id = begin(&sessions, &owner, &[0]);
    let failing = sessions.begin(&owner, VERSION, &request(id, 1, &[])).unwrap();
    let mut failed = results(&failing, 10, 0);
    failed[0].partition = FetchPartition::error(0, ErrorCode::NotLeaderOrFollower);
    assert_eq!(answered(&sessions.finish(&owner, failing, failed)), [0]);

    let healed = sessions.begin(&owner, VERSION, &request(id, 2, &[])).unwrap();
    let same = results(&healed, 10, 0);
    assert_eq!(answered(&sessions.finish(&owner, healed, same)), [0]);
}

#[tokio::test]
async fn partitions_are_added_changed_and_forgotten() {
    let (sessions, owner) = (sessions(10), tenant(1));
    let id = begin(&sessions, &owner, &[0, 1]);
    let forgotten = ForgottenTopic::default().with_topic(name()).with_partitions(vec![0]);
    let change = request(id, 1, &[5]).with_forgotten_topics_data(vec![forgotten]);
    let changed = sessions.begin(&owner, VERSION, &change).unwrap();
    assert_eq!(asked(&changed), [1, 5]);
}

#[tokio::test]
async fn a_partition_that_got_bytes_goes_to_the_end() {
    let (sessions, owner) = (sessions(10), tenant(1));
    let id = begin(&sessions, &owner, &[0, 1, 2]);
    let first = sessions.begin(&owner, VERSION, &request(id, 1, &[])).unwrap();
    let mut full = results(&first, 10, 0);
    full[0].partition.records = vec![Bytes::from_static(b"batch")];
    sessions.finish(&owner, first, full);
    let second = sessions.begin(&owner, VERSION, &request(id, 2, &[])).unwrap();
    assert_eq!(asked(&second), [1, 2, 0]);
}

#[tokio::test]
async fn epochs_must_follow_each_other() {
    let (sessions, owner) = (sessions(10), tenant(1));
    let id = begin(&sessions, &owner, &[0]);
    for wrong in [2, 7, i32::MAX] {
        let refused = sessions.begin(&owner, VERSION, &request(id, wrong, &[]));
        assert_eq!(refused.err(), Some(ErrorCode::InvalidFetchSessionEpoch));
    }
    let right = sessions.begin(&owner, VERSION, &request(id, 1, &[])).unwrap();
    let again = sessions.begin(&owner, VERSION, &request(id, 1, &[]));
    assert_eq!(again.err(), Some(ErrorCode::InvalidFetchSessionEpoch), "a repeated request");

    // The next request came before this one was answered: its answer would be out of order.
    sessions.begin(&owner, VERSION, &request(id, 2, &[])).unwrap();
    let late = results(&right, 10, 0);
    let answer = sessions.finish(&owner, right, late);
    assert_eq!(answer.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
}

#[tokio::test]
async fn a_session_answers_only_to_its_owner_and_its_gateway() {
    let (sessions, owner) = (sessions(10), tenant(1));
    let id = begin(&sessions, &owner, &[0]);
    let strange = sessions.begin(&tenant(2), VERSION, &request(id, 1, &[]));
    assert_eq!(strange.err(), Some(ErrorCode::FetchSessionIdNotFound));
    sessions.begin(&tenant(2), VERSION, &request(id, -1, &[])).unwrap();
    assert!(sessions.begin(&owner, VERSION, &request(id, 1, &[])).is_ok(), "nor can others end it");

    let elsewhere = Sessions::new(&FetchConfig::default(), 8, 1);
    let ids: Vec<_> = (0..50).map(|_| begin(&elsewhere, &owner, &[0])).collect();
    assert!(ids.iter().all(|other| other >> NUMBER_BITS != id >> NUMBER_BITS));
    assert!(ids.iter().all(|other| *other > 0));
}

#[tokio::test]
async fn names_and_ids_do_not_mix_in_one_session() {
    let (sessions, owner) = (sessions(10), tenant(1));
    let id = begin(&sessions, &owner, &[0]);
    let by_id = sessions.begin(&owner, 13, &request(id, 1, &[]));
    assert_eq!(by_id.err(), Some(ErrorCode::FetchSessionTopicIdError));
}

#[tokio::test]
async fn a_full_request_ends_the_session_it_names() {
    let (sessions, owner) = (sessions(10), tenant(1));
    let id = begin(&sessions, &owner, &[0]);
    let full = sessions.begin(&owner, VERSION, &request(id, -1, &[3])).unwrap();
    assert_eq!(asked(&full), [3]);
    let everything = results(&full, 10, 0);
    let answer = sessions.finish(&owner, full, everything);
    assert_eq!((answer.session_id, answered(&answer)), (0, vec![3]));
    let gone = sessions.begin(&owner, VERSION, &request(id, 1, &[]));
    assert_eq!(gone.err(), Some(ErrorCode::FetchSessionIdNotFound));
}

#[tokio::test(start_paused = true)]
async fn room_is_made_by_use_and_only_of_idle_sessions() {
    let (sessions, owner) = (sessions(2), tenant(1));
    let (first, second) = (begin(&sessions, &owner, &[0]), begin(&sessions, &owner, &[0]));
    assert_eq!(begin(&sessions, &owner, &[0]), 0, "nobody is idle");

    tokio::time::advance(Duration::from_secs(121)).await;
    sessions.begin(&owner, VERSION, &request(first, 1, &[])).unwrap();
    assert_ne!(begin(&sessions, &owner, &[0]), 0);
    let evicted = sessions.begin(&owner, VERSION, &request(second, 1, &[]));
    assert_eq!(evicted.err(), Some(ErrorCode::FetchSessionIdNotFound), "created later, used less");
    assert!(sessions.begin(&owner, VERSION, &request(first, 2, &[])).is_ok());
}

#[tokio::test]
async fn partitions_are_bounded_over_all_sessions() {
    let config = FetchConfig { session_partitions: 3, ..FetchConfig::default() };
    let (sessions, owner) = (Sessions::new(&config, 7, 1), tenant(1));
    let id = begin(&sessions, &owner, &[0, 1]);
    assert_eq!(begin(&sessions, &owner, &[0, 1]), 0);
    let grown = sessions.begin(&owner, VERSION, &request(id, 1, &[2, 3]));
    assert_eq!(grown.err(), Some(ErrorCode::FetchSessionIdNotFound));
    assert_ne!(begin(&sessions, &owner, &[0, 1, 2]), 0, "a session that is gone counts no more");
}
