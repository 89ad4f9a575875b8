//! Fetch sessions (KIP-227): a client says once which partitions it wants, and then only changes.
//!
//! ```text
//! epoch  0   a full list; a session is made of it if there is room, and answers with its id
//! epoch  n   changes to the list of session n; only partitions with news are answered
//! epoch -1   a full list without session; ends the session it names
//! ```
//!
//! Sessions live in one gateway. Their ids carry the gateway's number, so that a client which
//! fails over is told that its session is not known instead of meeting a stranger's (and a session
//! answers only to the tenant and principal that made it). A session must be fetched with the
//! epoch that follows its last one; a repeated or reordered request is refused (KAFKA-9338).
//! Sessions are evicted by use, not by age (KAFKA-9137), and only when idle.

mod session;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::fetch::{FetchPartition, FetchResponse, FetchTopic};
use protocol::ids::TopicId;
use protocol::messages::{FetchRequest, TopicName};
use tokio::time::Instant;

use self::session::Session;
pub(crate) use self::session::{Asked, TopicKey};
use crate::call::Identity;
use crate::config::FetchConfig;
use crate::limits::SESSION_GATEWAY_BITS;
use crate::lru::Lru;
use crate::rendezvous;

/// First version that names topics by id.
const TOPIC_ID_FROM: i16 = 13;
/// Epoch of a request without session.
const EPOCH_FINAL: i32 = -1;
/// Epoch of a request that wants a session.
const EPOCH_INITIAL: i32 = 0;
/// Bits of an id that tell the sessions of one gateway apart. The sign stays clear.
const NUMBER_BITS: u32 = 31 - SESSION_GATEWAY_BITS;

/// The sessions of this gateway.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: Mutex<Table>,
    sessions_max: usize,
    partitions_max: usize,
    idle: Duration,
}

#[derive(Debug)]
struct Table {
    sessions: Lru<i32, Entry>,
    /// Over all sessions.
    partitions: usize,
    gateway: u32,
    /// Unpredictable start, so that a restarted gateway does not repeat its ids.
    next: u64,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Mutex<Session>>,
    owner: Identity,
    by_id: bool,
    used: Instant,
    partitions: usize,
}

/// A fetch under way: what it asks for, and how its answer is to be told.
#[derive(Debug)]
pub(crate) struct Fetching {
    /// In the order in which bytes are to be handed out.
    pub(crate) asked: Vec<Asked>,
    by_id: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sessionless,
    New,
    Incremental { id: i32, session: Arc<Mutex<Session>>, epoch: i32 },
}

// === impl Fetching ===

impl Fetching {
    /// The answer to a client that has to wait before it is given anything: an empty one, of which
    /// a session learns nothing and a client without one thinks nothing (KIP-219).
    pub(crate) fn nothing(self) -> FetchResponse {
        let session_id = match self.kind {
            Kind::Sessionless | Kind::New => 0,
            Kind::Incremental { id, .. } => id,
        };
        FetchResponse { session_id, ..FetchResponse::default() }
    }
}

// === impl Sessions ===

impl Sessions {
    pub(crate) fn new(config: &FetchConfig, broker_id: i32, seed: u64) -> Self {
        let gateway = broker_id as u32 % (1 << SESSION_GATEWAY_BITS);
        let table = Table { sessions: Lru::default(), partitions: 0, gateway, next: seed };
        Self {
            table: Mutex::new(table),
            sessions_max: config.sessions,
            partitions_max: config.session_partitions,
            idle: config.session_idle,
        }
    }

    /// Takes a request in: what it asks for, or why its session cannot say.
    pub(crate) fn begin(
        &self,
        owner: &Identity,
        version: i16,
        request: &FetchRequest,
    ) -> Result<Fetching, ErrorCode> {
        let by_id = version >= TOPIC_ID_FROM;
        let kind = match request.session_epoch {
            EPOCH_FINAL | EPOCH_INITIAL => {
                self.table.lock().end(request.session_id, owner);
                if request.session_epoch == EPOCH_INITIAL { Kind::New } else { Kind::Sessionless }
            }
            _ => return self.continue_session(owner, by_id, request),
        };
        Ok(Fetching { asked: Asked::all_of(request, by_id), by_id, kind })
    }

    /// Turns the results of a fetch, one per partition asked for and in that order, into its
    /// answer.
    pub(crate) fn finish(
        &self,
        owner: &Identity,
        fetching: Fetching,
        mut results: Vec<Found>,
    ) -> FetchResponse {
        let session_id = match fetching.kind {
            Kind::Sessionless => 0,
            Kind::New => self.create(owner, fetching.by_id, &fetching.asked, &results),
            Kind::Incremental { id, session, epoch } => {
                let mut session = session.lock();
                if !session.is_at(epoch) {
                    return failure(ErrorCode::InvalidFetchSessionEpoch);
                }
                results = session.news(&fetching.asked, results);
                id
            }
        };
        FetchResponse { session_id, topics: by_topic(results), ..FetchResponse::default() }
    }

    fn continue_session(
        &self,
        owner: &Identity,
        by_id: bool,
        request: &FetchRequest,
    ) -> Result<Fetching, ErrorCode> {
        let id = request.session_id;
        let mut table = self.table.lock();
        let known = table.sessions.peek(&id).filter(|entry| entry.owner == *owner);
        let entry = known.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if entry.by_id != by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        let session = Arc::clone(&entry.session);
        let mut continued = session.lock();
        let epoch = continued.advance(request.session_epoch)?;
        continued.change(request, by_id);
        if continued.len() == 0 {
            // Nothing left to remember, as Kafka does.
            table.end(id, owner);
            return Ok(Fetching { asked: Vec::new(), by_id, kind: Kind::Sessionless });
        }
        if !table.resize(id, continued.len(), self.partitions_max) {
            table.end(id, owner);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        let asked = continued.asked();
        drop(continued);
        Ok(Fetching { asked, by_id, kind: Kind::Incremental { id, session, epoch } })
    }

    /// Makes a session of a full fetch; 0 if there is no room for it.
    fn create(&self, owner: &Identity, by_id: bool, asked: &[Asked], results: &[Found]) -> i32 {
        if asked.is_empty() {
            return 0;
        }
        let mut table = self.table.lock();
        while table.sessions.len() >= self.sessions_max
            || table.partitions + asked.len() > self.partitions_max
        {
            if !table.evict(self.idle) {
                return 0;
            }
        }
        let id = table.next_id();
        let session = Arc::new(Mutex::new(Session::new(asked, results)));
        let partitions = asked.len();
        let entry =
            Entry { session, owner: owner.clone(), by_id, used: Instant::now(), partitions };
        table.partitions += partitions;
        table.sessions.insert(id, entry);
        id
    }
}

/// A partition's result, and the topic as the client names it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) topic: TopicKey,
    pub(crate) partition: FetchPartition,
}

// === impl Table ===

impl Table {
    fn end(&mut self, id: i32, owner: &Identity) {
        if self.sessions.peek(&id).is_some_and(|entry| entry.owner == *owner) {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: i32) {
        if let Some(entry) = self.sessions.remove(&id) {
            self.partitions -= entry.partitions;
        }
    }

    /// Removes the session used longest ago, if it is idle.
    fn evict(&mut self, idle: Duration) -> bool {
        let oldest = self.sessions.oldest_first().next();
        let Some(id) = oldest.filter(|(_, entry)| entry.used.elapsed() >= idle).map(|(id, _)| *id)
        else {
            return false;
        };
        self.remove(id);
        true
    }

    /// Marks a session used, and counts its partitions. False if there is no room for them.
    fn resize(&mut self, id: i32, partitions: usize, max: usize) -> bool {
        let Some(entry) = self.sessions.get(&id) else { return false };
        entry.used = Instant::now();
        let total = self.partitions - entry.partitions + partitions;
        if total > max {
            return false;
        }
        entry.partitions = partitions;
        self.partitions = total;
        true
    }

    fn next_id(&mut self) -> i32 {
        loop {
            self.next = self.next.wrapping_add(1);
            let number = rendezvous::mix(self.next) as u32 >> (32 - NUMBER_BITS);
            let id = (self.gateway << NUMBER_BITS | number) as i32;
            // 0 means no session.
            if id != 0 && !self.sessions.contains(&id) {
                return id;
            }
        }
    }
}

/// An answer that is nothing but an error.
pub(crate) fn failure(error: ErrorCode) -> FetchResponse {
    FetchResponse { error_code: error.code(), ..FetchResponse::default() }
}

/// Results of one topic that follow each other become one topic of the answer.
fn by_topic(results: Vec<Found>) -> Vec<FetchTopic> {
    let mut topics: Vec<(TopicKey, FetchTopic)> = Vec::new();
    for Found { topic, partition } in results {
        match topics.last_mut() {
            Some((last, fetched)) if *last == topic => fetched.partitions.push(partition),
            _ => {
                let (id, name) = match &topic {
                    TopicKey::Id(id) => (*id, TopicName::default()),
                    TopicKey::Name(name) => (TopicId::NIL, name.clone()),
                };
                topics.push((topic, FetchTopic { id, name, partitions: vec![partition] }));
            }
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

#[cfg(test)]
mod tests;
