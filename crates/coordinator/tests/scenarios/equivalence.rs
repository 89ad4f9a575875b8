//! Whatever happens, the log says what the coordinator knows; every request is answered once; and
//! every transaction ends.

use std::sync::Arc;

use coordinator::TransactionVersion::{V1, V2};
use coordinator::{Config, Coordinator, Record, Token};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use protocol::StrBytes;
use protocol::error::ErrorCode;

use crate::dsl::{Client, Consumer, TopicTable, TransactionalProducer, World, shard};

/// Producers of both versions, two of each with one transactional id.
const PRODUCERS: usize = 4;

fn producers() -> Vec<TransactionalProducer> {
    let kinds = [("old", V1), ("old", V1), ("new", V2), ("new", V2)];
    let producers: Vec<_> =
        kinds.into_iter().map(|(id, version)| TransactionalProducer::new(id, version)).collect();
    assert_eq!(producers.len(), PRODUCERS);
    producers
}

/// Something that happens to the group, or to the transactions of its members.
#[derive(Debug, Clone)]
enum Step {
    Join(usize),
    Restart(usize),
    Sync(usize),
    Heartbeat(usize),
    Leave(usize),
    Commit(usize, i32, i64),
    Consume(usize),
    ConsumerLeaves(usize, bool),
    ConsumerCommits(usize, i32, i64),
    TopicGrows(u128, i32),
    CommitOutside(i32, i64),
    DeleteGroup,
    Transactional(usize, Act),
    WriteMarkers,
    Advance(i64),
    FailOver,
}

/// What a transactional producer does.
#[derive(Debug, Clone)]
enum Act {
    Init,
    AddPartition(i32),
    AddOffsets,
    CommitOffset(i32, i64),
    End(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Init),
        2 => (0..3_i32).prop_map(Act::AddPartition),
        2 => Just(Act::AddOffsets),
        3 => (0..3_i32, any::<i64>()).prop_map(|(at, offset)| Act::CommitOffset(at, offset)),
        3 => any::<bool>().prop_map(Act::End),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..5_usize;
    prop_oneof![
        6 => who.clone().prop_map(Step::Join),
        1 => who.clone().prop_map(Step::Restart),
        6 => who.clone().prop_map(Step::Sync),
        2 => who.clone().prop_map(Step::Heartbeat),
        1 => who.clone().prop_map(Step::Leave),
        3 => (who, 0..3_i32, any::<i64>()).prop_map(|(who, at, offset)| Step::Commit(who, at, offset)),
        1 => (0..3_i32, any::<i64>()).prop_map(|(at, offset)| Step::CommitOutside(at, offset)),
        6 => (0..4_usize).prop_map(Step::Consume),
        1 => (0..4_usize, any::<bool>()).prop_map(|(who, wait)| Step::ConsumerLeaves(who, wait)),
        1 => (0..4_usize, 0..3_i32, any::<i64>())
            .prop_map(|(who, at, offset)| Step::ConsumerCommits(who, at, offset)),
        1 => (1..4_u128, 0..6_i32).prop_map(|(topic, size)| Step::TopicGrows(topic, size)),
        1 => Just(Step::DeleteGroup),
        12 => (0..PRODUCERS, act()).prop_map(|(who, act)| Step::Transactional(who, act)),
        3 => Just(Step::WriteMarkers),
        4 => prop_oneof![Just(500), Just(4_000), Just(11_000), Just(70_000)].prop_map(Step::Advance),
        1 => Just(Step::FailOver),
    ]
}

/// What a coordinator knows that has read these records.
fn replay(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let topics = Arc::new(TopicTable::default());
    let mut replayed = Coordinator::new(Config::default(), shard(99), 99, topics);
    records.into_iter().for_each(|record| replayed.apply(&record));
    replayed.snapshot()
}

/// A client with the JoinGroup that it waits for.
struct Actor {
    client: Client,
    joining: Option<Token>,
}

impl Actor {
    /// Learns the answer to its JoinGroup if there is one by now.
    fn poll(&mut self, world: &World) {
        if let Some(token) = self.joining.filter(|token| !world.is_waiting(*token)) {
            self.joining = None;
            let response = world.join_answer(token).clone();
            match response.error_code {
                0 => self.client.absorb(&response),
                _ => self.client = self.client.restarted(),
            }
        }
    }
}

fn run(
    world: &mut World,
    actors: &mut [Actor],
    consumers: &mut [Consumer],
    producers: &mut [TransactionalProducer],
    step: &Step,
    sent: &mut Vec<Token>,
) {
    let members: Vec<StrBytes> =
        actors.iter().map(|actor| actor.client.member_id.clone()).collect();
    match step {
        Step::Join(who) => {
            let token = actors[*who].client.join(world);
            actors[*who].joining = Some(token);
            sent.push(token);
        }
        Step::Restart(who) => actors[*who].client = actors[*who].client.restarted(),
        Step::Sync(who) => {
            let client = &actors[*who].client;
            let members = if client.leads { &members[..] } else { &[] };
            sent.push(client.sync_with(world, members));
        }
        Step::Heartbeat(who) => {
            actors[*who].client.heartbeat(world);
        }
        Step::Leave(who) => {
            actors[*who].client.leave(world);
        }
        Step::Commit(who, at, offset) => {
            actors[*who].client.commit(world, (1, *at), *offset);
        }
        Step::Consume(who) => {
            consumers[*who].consume(world);
        }
        Step::ConsumerLeaves(who, wait) if *wait => {
            consumers[*who].leave_for_a_while(world);
        }
        Step::ConsumerLeaves(who, _) => {
            consumers[*who].leave(world);
        }
        Step::ConsumerCommits(who, at, offset) => {
            consumers[*who].commit(world, (1, *at), *offset);
        }
        Step::TopicGrows(topic, partitions) => world.topics.set(*topic, *partitions),
        Step::CommitOutside(at, offset) => {
            Client::new("outsider").commit(world, (2, *at), *offset);
        }
        Step::DeleteGroup => {
            let request = protocol::messages::DeleteGroupsRequest::default()
                .with_groups_names(vec![StrBytes::from(crate::dsl::GROUP).into()]);
            let command = coordinator::Command::DeleteGroups(request);
            world.send(&Client::new("admin"), command);
        }
        Step::Transactional(who, act) => transact(world, &mut producers[*who], act),
        Step::WriteMarkers => world.write_markers(),
        Step::Advance(ms) => world.advance(*ms),
        Step::FailOver => {
            world.fail_over();
            // The requests that waited died with their coordinator.
            sent.retain(|token| !world.is_waiting(*token));
            actors.iter_mut().for_each(|actor| actor.joining = None);
        }
    }
    actors.iter_mut().for_each(|actor| actor.poll(world));
}

fn transact(world: &mut World, producer: &mut TransactionalProducer, act: &Act) {
    match act {
        Act::Init => {
            let _concurrent = producer.init(world);
        }
        Act::AddPartition(at) => {
            producer.add(world, (1, *at));
        }
        Act::AddOffsets => {
            producer.add_offsets(world);
        }
        Act::CommitOffset(at, offset) => {
            // The host lets nothing through that the transaction does not know.
            if producer.add_offsets(world) == ErrorCode::None {
                producer.commit_offset(world, &Client::new("outsider"), (2, *at), *offset);
            }
        }
        Act::End(commit) => {
            let _refused = producer.end(world, *commit);
        }
    }
}

proptest! {
    #[test]
    fn the_log_replays_to_the_state_that_wrote_it(
        steps in proptest::collection::vec(step(), 1..60),
        cut in any::<proptest::sample::Index>(),
    ) {
        let retention = Config {
            offsets_retention_ms: 200_000,
            offsets_retention_check_ms: 50_000,
            ..Config::default()
        };
        let mut world = World::with(retention);
        let dynamic = ["a", "b", "c"].map(Client::new);
        let fixed = [Client::with_instance("d", "d-1"), Client::with_instance("e", "e-1")];
        let clients = dynamic.into_iter().chain(fixed);
        let mut actors: Vec<Actor> = clients.map(|client| Actor { client, joining: None }).collect();
        let mut consumers = [
            Consumer::new("f", &["topic-1"]),
            Consumer::new("g", &["topic-1", "topic-2"]),
            Consumer::matching("h", "topic-[123]"),
            Consumer::with_instance("i", "i-1", &["topic-1"]),
        ];
        let mut producers = producers();
        world.topics.set(1, 3);
        let mut sent = Vec::new();

        for step in &steps {
            run(&mut world, &mut actors, &mut consumers, &mut producers, step, &mut sent);
            prop_assert_eq!(world.shared_partition(), None, "after {:?}", step);
            let snapshot = world.coordinator.snapshot();
            let log: Vec<Record> =
                world.log.iter().map(|bytes| Record::decode(bytes).expect("readable")).collect();
            prop_assert_eq!(&replay(log.clone()), &snapshot, "log after {:?}", step);
            prop_assert_eq!(&replay(snapshot.clone()), &snapshot, "snapshot after {:?}", step);
            // A crash may come while a snapshot is written, or before the log before it is cut.
            let written = snapshot[..cut.index(snapshot.len() + 1)].iter().cloned();
            prop_assert_eq!(&replay(log.into_iter().chain(written)), &snapshot);
        }

        // Left alone, the group lets everybody go.
        world.advance(10 * 60_000);
        for token in sent {
            prop_assert!(!world.is_waiting(token), "{:?} was never answered", token);
        }
        // And no transaction hangs (T6): once its time is over and its markers are written, no
        // offset waits for it.
        world.write_markers();
        for at in 0..3 {
            prop_assert!(world.stable_offset((2, at)).is_ok());
        }
    }
}
