//! What the cases share: a node, a connection to it, and things to ask about.

use protocol::ids::TopicId;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{CreateTopicsRequest, GroupId, MetadataRequest, TopicName};
use protocol::{ErrorCode, StrBytes};
use tempfile::TempDir;
use thermocline_tests::dev::Dev;

use super::groups::Member;
use super::records;
use super::wire::Wire;

/// A node and what is there.
pub(super) struct World {
    pub(super) wire: Wire,
    pub(super) node: Dev,
    /// A topic with two partitions and [`World::RECORDS`] records in the first one.
    pub(super) filled: Topic,
    /// A topic that cases write to.
    pub(super) written: Topic,
    /// The only member of a classic group, once there is one.
    pub(super) member: Option<Member>,
    _dir: TempDir,
}

/// A topic with its id.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) name: TopicName,
    pub(super) id: TopicId,
}

impl World {
    /// Records of [`World::filled`].
    pub(super) const RECORDS: i64 = 5;

    /// A node of its own.
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let node = Dev::start(dir.path(), &[]).expect("dev starts");
        let mut wire = Wire::connect(node.kafka);
        let filled = create(&mut wire, "filled", 2);
        let written = create(&mut wire, "written", 1);
        for _ in 0..Self::RECORDS {
            records::append(&mut wire, 13, &filled);
        }
        Self { wire, node, filled, written, member: None, _dir: dir }
    }

    /// Creates a topic with one partition and waits until it can be used.
    pub(super) fn topic(&mut self, name: &str) -> Topic {
        create(&mut self.wire, name, 1)
    }
}

fn create(wire: &mut Wire, name: &str, partitions: i32) -> Topic {
    let name = TopicName(text(name));
    let wanted = CreatableTopic::default()
        .with_name(name.clone())
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(10_000);
    let created = wire.ask(7, &request).topics.remove(0);
    is(ErrorCode::None, created.error_code);
    let asked = MetadataRequestTopic::default().with_name(Some(name.clone()));
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    wire.eventually(12, &request, |answer| {
        let partitions = &answer.topics[0].partitions;
        answer.topics[0].error_code == 0 && partitions.iter().all(|p| p.error_code == 0)
    });
    Topic { name, id: TopicId(created.topic_id) }
}

/// Kafka's text of a text.
pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The group of this name.
pub(super) fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// That an answer has this code.
#[track_caller]
pub(super) fn is(expected: ErrorCode, code: i16) {
    assert_eq!(ErrorCode::from_code(code), expected);
}
