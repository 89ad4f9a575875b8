//! Transactional producers: records to some partitions and a group's offset, all or nothing.
//!
//! ```text
//!   init ──► write, write, offset ──► commit or abort ──► write …
//!     ▲            │ whatever fails for good       │
//!     └────────────┴───────────────────────────────┘
//! ```
//!
//! Whoever does not know what became of something begins anew with InitProducerId, which aborts what
//! is open, or under version 2 asks for the abort. What is under way meanwhile may arrive at any time.

mod session;

use std::time::Duration;

use protocol::messages::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};
use protocol::messages::{GroupId, TopicName};
use rand::Rng;
use tokio::time::sleep;

use self::session::{Lost, Session};
use super::{Client, Load};
use crate::history::Event;
use crate::history::transactions::{Step, Transaction, Written};
use crate::kafka::text;
use crate::scenario::{TRANSACTIONS_TOPIC, TransactionalProducer};

/// The last version that names one group and topics by name; it knows `require_stable`.
const OFFSET_FETCH: i16 = 7;
/// The partition whose offset is committed: which one makes no difference.
const OFFSET_OF: i32 = 0;

pub(super) async fn run(mut client: Client, plan: TransactionalProducer) {
    client.wait_ready().await;
    let mut session: Option<Session> = None;
    let mut number = 0;
    while !client.stopping() {
        let Some(mut open) = session.take() else {
            session = Session::begin(&mut client, plan, None).await;
            continue;
        };
        number += 1;
        let transaction = Transaction { producer: plan.id, number };
        session = match carry_out(&mut client, &mut open, transaction).await {
            Ok(()) => Some(open),
            Err(Lost) => open.recover(&mut client).await,
        };
        let pause = client.rng.random_range(plan.pace / 2..=plan.pace);
        sleep(pause).await;
    }
}

/// One transaction from its first record to its end.
async fn carry_out(
    client: &mut Client,
    session: &mut Session,
    transaction: Transaction,
) -> Result<(), Lost> {
    let partitions = client.load.scenario.transactions.partitions;
    let mut index = 0;
    for _ in 0..client.rng.random_range(1..=3) {
        let partition = client.rng.random_range(0..partitions);
        let count = client.rng.random_range(1..=3);
        let records: Vec<Written> =
            (index..index + count).map(|index| Written { transaction, index }).collect();
        index += count;
        session.write(client, partition, &records).await?;
        for record in records {
            add(&client.load, Step::Wrote { record, partition });
        }
        if client.rng.random_bool(0.2) {
            let pause = client.rng.random_range(1..=800);
            sleep(Duration::from_millis(pause)).await;
        }
    }
    let with_offset = client.rng.random_bool(0.5);
    if with_offset {
        let offset = i64::try_from(transaction.number).expect("a run is short");
        session.commit_offset(client, OFFSET_OF, offset).await?;
    }
    if client.rng.random_bool(0.25) {
        return session.end(client, false).await;
    }
    add(&client.load, Step::Committing { transaction, with_offset });
    session.end(client, true).await?;
    add(&client.load, Step::Committed { transaction });
    Ok(())
}

fn add(load: &Load, step: Step) {
    load.history.add(Event::Transaction(step));
}

fn group(producer: u32) -> GroupId {
    GroupId(text(&format!("transactional-group-{producer}")))
}

/// Asks for the offsets of all producers' groups, once nothing about them is undecided.
pub async fn read_offsets(load: &Load) {
    for plan in &load.scenario.transactions.producers {
        let mut client = Client::new(load.clone(), 3_000 + u64::from(plan.id));
        let offset = loop {
            match stable_offset(&mut client, plan.id).await {
                Some(offset) => break offset,
                None => sleep(Duration::from_millis(100)).await,
            }
        };
        add(load, Step::Offset { producer: plan.id, offset });
    }
}

async fn stable_offset(client: &mut Client, producer: u32) -> Option<i64> {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(TopicName(text(TRANSACTIONS_TOPIC)))
        .with_partition_indexes(vec![OFFSET_OF]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group(producer))
        .with_topics(Some(vec![topic]))
        .with_require_stable(true);
    let answer = client.ask(OFFSET_FETCH, &request).await?;
    let partition = answer.topics.iter().flat_map(|topic| &topic.partitions).next()?;
    let codes = (answer.error_code, partition.error_code);
    client.load.trace.line(format_args!("offset of group {producer}: {codes:?}"));
    (codes == (0, 0)).then_some(partition.committed_offset)
}
