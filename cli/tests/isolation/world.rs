//! A cluster as one tenant's client sees it: what it asks, what it is told, and what it remembers.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::messages::{GroupId, TopicName};
use protocol::{Request, StrBytes};
use regex::Regex;
use uuid::Uuid;

use crate::dice::Dice;
use crate::names::Names;
use crate::wire::Wire;

/// Topics that come and go.
pub(crate) const TOPICS: [&str; 4] = ["orders", "payments", "a.b", "clicks"];

/// Codes after which clients ask again: something is not ready yet, and nothing was done. Of the
/// coordinators, of leaders, and of transactions that are being ended.
const PASSING: &str = r"error_code: (5|6|14|15|16|51)\b";

/// Pause before that.
const PAUSE: Duration = Duration::from_millis(5);

/// How often; a minute at least.
const ASKED: usize = 12_000;

/// Producer ids up to this one are none that a cluster of a test comes to.
const NO_PRODUCER: i64 = 149_999_999_999_999;

/// A producer as coordinators know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// What a tenant has, for the other one to try and use.
#[derive(Debug, Default)]
pub(crate) struct Belongings {
    pub(crate) topics: HashMap<&'static str, Uuid>,
    pub(crate) members: HashMap<&'static str, StrBytes>,
    pub(crate) transactions: HashMap<&'static str, Producer>,
    /// The one without transactions, which stays the same.
    pub(crate) producer: Option<Producer>,
}

/// One tenant's client.
pub(crate) struct World {
    pub(crate) dice: Dice,
    /// What this tenant has.
    pub(crate) own: Arc<Mutex<Belongings>>,
    /// What the other tenant of the cluster has, if there is one.
    pub(crate) others: Arc<Mutex<Belongings>>,
    /// Generations of the members of classic groups.
    pub(crate) generations: HashMap<&'static str, i32>,
    /// Epochs of the members of groups of the consumer protocol.
    pub(crate) epochs: HashMap<(&'static str, &'static str), i32>,
    /// The next sequence of a producer in a partition.
    pub(crate) sequences: HashMap<(Producer, Uuid, i32), i32>,
    wire: Wire,
    pub(crate) names: Names,
    told: String,
    passing: Regex,
}

impl World {
    pub(crate) async fn connect(
        address: SocketAddr,
        dice: Dice,
        own: &Arc<Mutex<Belongings>>,
        others: &Arc<Mutex<Belongings>>,
    ) -> Self {
        Self {
            dice,
            own: Arc::clone(own),
            others: Arc::clone(others),
            generations: HashMap::new(),
            epochs: HashMap::new(),
            sequences: HashMap::new(),
            wire: Wire::connect(address).await,
            names: Names::new(),
            told: String::new(),
            passing: Regex::new(PASSING).unwrap(),
        }
    }

    /// Asks until the answer is one that stays, and keeps it as something that was told.
    pub(crate) async fn ask<R: Request<Response: Debug>>(
        &mut self,
        version: i16,
        request: R,
    ) -> R::Response {
        self.ask_veiled(version, request, |_, _| {}).await
    }

    /// The same for an answer in which `veil` has to hide ids that only it finds.
    pub(crate) async fn ask_veiled<R: Request<Response: Debug>>(
        &mut self,
        version: i16,
        request: R,
        veil: impl FnOnce(&mut R::Response, &mut Names),
    ) -> R::Response {
        let (mut response, length) = self.settled(version, &request).await;
        veil(&mut response, &mut self.names);
        let answer = self.names.replace(&format!("{response:?}"));
        self.told += &format!("api {} version {version}: {length} bytes, {answer}\n", R::KEY);
        response
    }

    /// Asks without keeping what is told.
    pub(crate) async fn settled<R: Request<Response: Debug>>(
        &mut self,
        version: i16,
        request: &R,
    ) -> (R::Response, usize) {
        for _ in 0..ASKED {
            let (response, length) = self.wire.ask(version, request).await;
            if !self.passing.is_match(&format!("{response:?}")) {
                return (response, length);
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("never settled: {:?}", self.wire.ask(version, request).await);
    }

    /// What was told since the last time.
    pub(crate) fn told(&mut self) -> String {
        std::mem::take(&mut self.told)
    }

    /// A topic, at random.
    pub(crate) fn topic(&mut self) -> &'static str {
        self.dice.pick(&TOPICS)
    }

    /// A partition, at random; some topics have it.
    pub(crate) fn index(&mut self) -> i32 {
        self.dice.pick(&[0, 0, 0, 0, 1, 1, 2, 3])
    }

    /// The id that this tenant's topic of this name had last.
    pub(crate) fn id(&self, topic: &str) -> Uuid {
        self.own.lock().topics.get(topic).copied().unwrap_or_else(Uuid::nil)
    }

    /// The id of the other tenant's topic of this name; of none if there is no other tenant.
    pub(crate) fn foreign_id(&mut self, topic: &str) -> Uuid {
        let theirs = self.others.lock().topics.get(topic).copied();
        let id = theirs.unwrap_or_else(Uuid::new_v4);
        self.names.foreign(id);
        id
    }

    /// A producer of the other tenant's: of a transactional id, or the one without.
    pub(crate) fn foreign_producer(&mut self, transaction: Option<&str>) -> Producer {
        let others = self.others.lock();
        let theirs = match transaction {
            Some(transaction) => others.transactions.get(transaction).copied(),
            None => others.producer,
        };
        // Another one for each use.
        let id = NO_PRODUCER - transaction.map_or(0, |id| id.len() as i64);
        let producer = theirs.unwrap_or(Producer { id, epoch: 0 });
        self.names.foreign(producer.id);
        producer
    }

    /// The id of a member of the other tenant's group of this name; it begins with `prefix`.
    pub(crate) fn foreign_member(&mut self, group: &str, prefix: &str) -> StrBytes {
        let theirs = self.others.lock().members.get(group).cloned();
        let id = theirs.unwrap_or_else(|| text(&format!("{prefix}-{}", Uuid::new_v4())));
        self.names.foreign(&id[prefix.len() + 1..]);
        id
    }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

pub(crate) fn group(group: &str) -> GroupId {
    GroupId(text(group))
}
