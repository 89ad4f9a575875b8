//! One fetch session: the partitions its client wants, and what it was last told of each.

use std::collections::{BTreeMap, HashMap};

use protocol::ids::TopicId;
use protocol::messages::{FetchRequest, TopicName};
use protocol::{ErrorCode, StrBytes};

use super::Found;

/// A topic as the client names it. A session uses one kind throughout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Name(TopicName),
    Id(TopicId),
}

/// A partition, as a client asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) topic: TopicKey,
    pub(crate) index: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) fetch_offset: i64,
    pub(crate) last_fetched_epoch: i32,
    pub(crate) max_bytes: i32,
}

/// What a session remembers.
#[derive(Debug)]
pub(super) struct Session {
    /// The epoch that the next request must have.
    epoch: i32,
    /// In the order in which bytes are handed out. Partitions that got some go to the end, so that
    /// a full answer does not starve those behind it (KAFKA-12330).
    partitions: BTreeMap<u64, Cached>,
    places: HashMap<(TopicKey, i32), u64>,
    last_place: u64,
}

#[derive(Debug)]
struct Cached {
    asked: Asked,
    high_watermark: i64,
    log_start_offset: i64,
}

/// What a client is taken to know of a partition that it was told nothing of, or an error.
const UNTOLD: i64 = i64::MIN;

// === impl Session ===

impl Session {
    /// A session after its first answer, which told everything in `results`.
    pub(super) fn new(asked: &[Asked], results: &[Found]) -> Self {
        let mut session =
            Self { epoch: 1, partitions: BTreeMap::new(), places: HashMap::new(), last_place: 0 };
        for (asked, found) in asked.iter().zip(results) {
            let place = session.put(asked.clone());
            session.partitions.get_mut(&place).expect("just put").tell(found);
            if found.partition.records_len() > 0 {
                session.move_to_end(place);
            }
        }
        session
    }

    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether the session still is where a request with this epoch left it.
    pub(super) fn is_at(&self, epoch: i32) -> bool {
        self.epoch == epoch
    }

    /// Moves on to the next epoch, if `epoch` is the one expected; says which that is.
    pub(super) fn advance(&mut self, epoch: i32) -> Result<i32, ErrorCode> {
        if epoch != self.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        self.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        Ok(self.epoch)
    }

    /// Takes in what the client changed.
    pub(super) fn change(&mut self, request: &FetchRequest, by_id: bool) {
        for asked in Asked::all_of(request, by_id) {
            self.put(asked);
        }
        for topic in &request.forgotten_topics_data {
            let key = TopicKey::of(&topic.topic, topic.topic_id, by_id);
            for index in &topic.partitions {
                if let Some(place) = self.places.remove(&(key.clone(), *index)) {
                    self.partitions.remove(&place);
                }
            }
        }
    }

    /// What the session asks for now.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.partitions.values().map(|cached| cached.asked.clone()).collect()
    }

    /// The results that the client does not know yet; it does from now on.
    pub(super) fn news(&mut self, asked: &[Asked], results: Vec<Found>) -> Vec<Found> {
        let mut news = Vec::new();
        for (asked, found) in asked.iter().zip(results) {
            let key = (asked.topic.clone(), asked.index);
            let Some(place) = self.places.get(&key).copied() else { continue };
            let cached = self.partitions.get_mut(&place).expect("places name partitions");
            if !cached.is_news(&found) {
                continue;
            }
            cached.tell(&found);
            if found.partition.records_len() > 0 {
                self.move_to_end(place);
            }
            news.push(found);
        }
        news
    }

    /// Adds or updates a partition; its place.
    fn put(&mut self, asked: Asked) -> u64 {
        let key = (asked.topic.clone(), asked.index);
        if let Some(place) = self.places.get(&key) {
            let cached = self.partitions.get_mut(place).expect("places name partitions");
            let topic = cached.asked.topic.clone();
            cached.asked = Asked { topic, ..asked };
            return *place;
        }
        let asked = Asked { topic: asked.topic.detached(), ..asked };
        let key = (asked.topic.clone(), asked.index);
        self.last_place += 1;
        let cached = Cached { asked, high_watermark: UNTOLD, log_start_offset: UNTOLD };
        self.partitions.insert(self.last_place, cached);
        self.places.insert(key, self.last_place);
        self.last_place
    }

    fn move_to_end(&mut self, place: u64) {
        let cached = self.partitions.remove(&place).expect("places name partitions");
        self.last_place += 1;
        self.places.insert((cached.asked.topic.clone(), cached.asked.index), self.last_place);
        self.partitions.insert(self.last_place, cached);
    }
}

// === impl Cached ===

impl Cached {
    fn is_news(&self, found: &Found) -> bool {
        let partition = &found.partition;
        partition.error_code != 0
            || partition.records_len() > 0
            || partition.diverging_epoch.is_some()
            || partition.high_watermark != self.high_watermark
            || partition.log_start_offset != self.log_start_offset
    }

    fn tell(&mut self, found: &Found) {
        let partition = &found.partition;
        // After an error the next answer is news, whatever it says.
        let failed = partition.error_code != 0;
        self.high_watermark = if failed { UNTOLD } else { partition.high_watermark };
        self.log_start_offset = partition.log_start_offset;
    }
}

// === impl Asked ===

impl Asked {
    /// The partitions that a request lists, in its order.
    pub(super) fn all_of(request: &FetchRequest, by_id: bool) -> Vec<Self> {
        let topics = request.topics.iter();
        let partitions = topics.flat_map(|topic| {
            let key = TopicKey::of(&topic.topic, topic.topic_id, by_id);
            topic.partitions.iter().map(move |partition| Self {
                topic: key.clone(),
                index: partition.partition,
                current_leader_epoch: partition.current_leader_epoch,
                fetch_offset: partition.fetch_offset,
                last_fetched_epoch: partition.last_fetched_epoch,
                max_bytes: partition.partition_max_bytes,
            })
        });
        partitions.collect()
    }
}

// === impl TopicKey ===

impl TopicKey {
    fn of(name: &TopicName, id: uuid::Uuid, by_id: bool) -> Self {
        if by_id { Self::Id(TopicId(id)) } else { Self::Name(name.clone()) }
    }

    /// The same without a share in the frame it came in: a session may outlive it by days.
    fn detached(&self) -> Self {
        match self {
            Self::Name(name) => Self::Name(StrBytes::from_string(name.to_string()).into()),
            Self::Id(id) => Self::Id(*id),
        }
    }
}
