//! What the metadata log's slots say: a version byte, then protobuf.
//!
//! Persisted for ever, keep stable: tags are never reused. A kind that this version does not
//! know stops the reader, for whatever it would write next might contradict it.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use metadata::model::{DecodeError, Record, TopicRecord};
use metadata::settings::SettingKey;
use prost::Message;
use protocol::ids::TopicId;

const VERSION: u8 = 1;

/// One committed change of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetaRecord {
    /// The cluster begins, with its identity and the topic of its groups' state.
    Founded { cluster_id: String, generation: u16, group_state: TopicRecord },
    /// The metadata store was lost and is filled again from here.
    Generation(u16),
    /// Another cluster has the bucket from here on, and leads it in this generation (R50).
    TakenOver { generation: u16, site: String },
    /// A leader's first word. What an earlier leader writes late finds its slot taken.
    Leader { control_id: String },
    /// These topics exist now, all of them.
    TopicsCreated(Vec<TopicRecord>),
    /// These topics are gone.
    TopicsDeleted(Vec<TopicId>),
    /// These topics have this many partitions now.
    PartitionsAdded(Vec<(TopicId, i32)>),
    /// Producer id counters below this one are handed out, or never will be (R43).
    ProducerIdsReserved { next: i64 },
    /// This is all that is set on these topics now.
    ConfigsChanged(Vec<(TopicId, BTreeMap<String, String>)>),
    /// These settings have these values now, or are gone.
    SettingsChanged(Vec<(SettingKey, Option<Bytes>)>),
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer version.
    #[error("written by a newer version of this program")]
    Newer,
    /// Not a record.
    #[error("not a record of the metadata log: {0}")]
    Malformed(String),
}

// === impl MetaRecord ===

impl MetaRecord {
    /// The payload of a slot.
    pub(crate) fn encode(&self) -> Bytes {
        let message = Envelope { body: Some(self.to_body()) };
        let mut bytes = BytesMut::with_capacity(1 + message.encoded_len());
        bytes.put_u8(VERSION);
        message.encode(&mut bytes).expect("the buffer grows as needed");
        bytes.freeze()
    }

    /// Reads the payload of a slot.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, RecordError> {
        let malformed = |reason: &str| RecordError::Malformed(reason.to_owned());
        let (&version, message) = payload.split_first().ok_or_else(|| malformed("empty"))?;
        if version != VERSION {
            return Err(RecordError::Newer);
        }
        let envelope = Envelope::decode(message).map_err(|error| malformed(&error.to_string()))?;
        // A body with an unknown tag reads as no body at all.
        Self::from_body(envelope.body.ok_or(RecordError::Newer)?)
    }

    fn to_body(&self) -> Body {
        match self {
            Self::Founded { cluster_id, generation, group_state } => Body::Founded(Founded {
                cluster_id: cluster_id.clone(),
                generation: u32::from(*generation),
                group_state: group_state.encode(),
            }),
            Self::Generation(generation) => {
                Body::Generation(Generation { generation: u32::from(*generation) })
            }
            Self::TakenOver { generation, site } => Body::TakenOver(TakenOver {
                generation: u32::from(*generation),
                site: site.clone(),
            }),
            Self::Leader { control_id } => Body::Leader(Leader { control_id: control_id.clone() }),
            Self::TopicsCreated(topics) => {
                Body::TopicsCreated(Topics { topics: topics.iter().map(Record::encode).collect() })
            }
            Self::TopicsDeleted(ids) => {
                let ids = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
                Body::TopicsDeleted(TopicIds { ids })
            }
            Self::PartitionsAdded(topics) => {
                let sized = |&(id, partitions): &(TopicId, i32)| Sized {
                    id: id.as_bytes().to_vec(),
                    partitions,
                };
                Body::PartitionsAdded(SizedTopics { topics: topics.iter().map(sized).collect() })
            }
            Self::ProducerIdsReserved { next } => {
                Body::ProducerIdsReserved(ProducerIds { next: *next })
            }
            Self::ConfigsChanged(topics) => {
                let configured = |(id, configs): &(TopicId, BTreeMap<String, String>)| Configured {
                    id: id.as_bytes().to_vec(),
                    configs: configs.clone(),
                };
                let topics = topics.iter().map(configured).collect();
                Body::ConfigsChanged(ConfiguredTopics { topics })
            }
            Self::SettingsChanged(changes) => {
                let setting = |(key, value): &(SettingKey, Option<Bytes>)| Setting {
                    key: key.to_string(),
                    value: value.clone(),
                };
                Body::SettingsChanged(Settings { changes: changes.iter().map(setting).collect() })
            }
        }
    }

    fn from_body(body: Body) -> Result<Self, RecordError> {
        Ok(match body {
            Body::Founded(founded) => Self::Founded {
                cluster_id: founded.cluster_id,
                generation: generation(founded.generation)?,
                group_state: topic(&founded.group_state)?,
            },
            Body::Generation(message) => Self::Generation(generation(message.generation)?),
            Body::TakenOver(message) => {
                Self::TakenOver { generation: generation(message.generation)?, site: message.site }
            }
            Body::Leader(leader) => Self::Leader { control_id: leader.control_id },
            Body::TopicsCreated(topics) => {
                let topics = topics.topics.iter().map(|bytes| topic(bytes));
                Self::TopicsCreated(topics.collect::<Result<_, _>>()?)
            }
            Body::TopicsDeleted(topics) => {
                let ids = topics.ids.iter().map(|id| topic_id(id));
                Self::TopicsDeleted(ids.collect::<Result<_, _>>()?)
            }
            Body::PartitionsAdded(topics) => {
                let sized =
                    topics.topics.iter().map(|topic| Ok((topic_id(&topic.id)?, topic.partitions)));
                Self::PartitionsAdded(sized.collect::<Result<_, RecordError>>()?)
            }
            Body::ProducerIdsReserved(ids) => Self::ProducerIdsReserved { next: ids.next },
            Body::ConfigsChanged(message) => {
                let topics = message.topics.into_iter();
                let topics = topics.map(|topic| Ok((topic_id(&topic.id)?, topic.configs)));
                Self::ConfigsChanged(topics.collect::<Result<_, RecordError>>()?)
            }
            Body::SettingsChanged(message) => {
                let changes = message.changes.into_iter();
                let changes = changes.map(|change| Ok((setting_key(&change.key)?, change.value)));
                Self::SettingsChanged(changes.collect::<Result<_, RecordError>>()?)
            }
        })
    }
}

#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    body: Option<Body>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Body {
    #[prost(message, tag = "1")]
    Founded(Founded),
    #[prost(message, tag = "2")]
    Generation(Generation),
    #[prost(message, tag = "3")]
    Leader(Leader),
    #[prost(message, tag = "4")]
    TopicsCreated(Topics),
    #[prost(message, tag = "5")]
    TopicsDeleted(TopicIds),
    #[prost(message, tag = "6")]
    PartitionsAdded(SizedTopics),
    #[prost(message, tag = "7")]
    ProducerIdsReserved(ProducerIds),
    #[prost(message, tag = "8")]
    ConfigsChanged(ConfiguredTopics),
    #[prost(message, tag = "9")]
    SettingsChanged(Settings),
    #[prost(message, tag = "10")]
    TakenOver(TakenOver),
}

#[derive(Clone, PartialEq, Message)]
struct Founded {
    #[prost(string, tag = "1")]
    cluster_id: String,
    #[prost(uint32, tag = "2")]
    generation: u32,
    /// A [`TopicRecord`] as the metadata store holds it, with its own version.
    #[prost(bytes = "bytes", tag = "3")]
    group_state: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Generation {
    #[prost(uint32, tag = "1")]
    generation: u32,
}

#[derive(Clone, PartialEq, Message)]
struct TakenOver {
    #[prost(uint32, tag = "1")]
    generation: u32,
    #[prost(string, tag = "2")]
    site: String,
}

#[derive(Clone, PartialEq, Message)]
struct Leader {
    #[prost(string, tag = "1")]
    control_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Topics {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    topics: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct TopicIds {
    #[prost(bytes = "vec", repeated, tag = "1")]
    ids: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct SizedTopics {
    #[prost(message, repeated, tag = "1")]
    topics: Vec<Sized>,
}

#[derive(Clone, PartialEq, Message)]
struct Sized {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(int32, tag = "2")]
    partitions: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ConfiguredTopics {
    #[prost(message, repeated, tag = "1")]
    topics: Vec<Configured>,
}

#[derive(Clone, PartialEq, Message)]
struct Configured {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(btree_map = "string, string", tag = "2")]
    configs: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct Settings {
    #[prost(message, repeated, tag = "1")]
    changes: Vec<Setting>,
}

#[derive(Clone, PartialEq, Message)]
struct Setting {
    /// As the metadata store spells it.
    #[prost(string, tag = "1")]
    key: String,
    /// None: the setting is gone.
    #[prost(bytes = "bytes", optional, tag = "2")]
    value: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ProducerIds {
    #[prost(int64, tag = "1")]
    next: i64,
}

fn generation(value: u32) -> Result<u16, RecordError> {
    u16::try_from(value).map_err(|_| RecordError::Malformed(format!("generation {value}")))
}

fn topic(bytes: &[u8]) -> Result<TopicRecord, RecordError> {
    TopicRecord::decode(bytes).map_err(|error| match error {
        DecodeError::Version(_) => RecordError::Newer,
        other => RecordError::Malformed(other.to_string()),
    })
}

fn topic_id(bytes: &[u8]) -> Result<TopicId, RecordError> {
    TopicId::from_slice(bytes).ok_or_else(|| RecordError::Malformed("topic id".to_owned()))
}

/// A kind that is not known is as good as a record that is not.
fn setting_key(text: &str) -> Result<SettingKey, RecordError> {
    SettingKey::parse(text).ok_or(RecordError::Newer)
}

#[cfg(test)]
mod tests {
    use protocol::ids::TenantId;

    use metadata::settings::SettingKind;

    use super::*;

    fn topic() -> TopicRecord {
        TopicRecord {
            tenant: TenantId(1),
            id: TopicId::from_slice(&[7; 16]).unwrap(),
            name: "orders".to_owned(),
            partitions: 3,
            configs: BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]),
            internal: false,
            created_ms: 5,
        }
    }

    fn setting(name: &str) -> SettingKey {
        SettingKey::new(TenantId(1), SettingKind::Acl, name)
    }

    #[test]
    fn every_record_reads_back() {
        let id = topic().id;
        for record in [
            MetaRecord::Founded { cluster_id: "c".to_owned(), generation: 1, group_state: topic() },
            MetaRecord::Generation(u16::MAX),
            MetaRecord::Leader { control_id: String::new() },
            MetaRecord::TopicsCreated(vec![topic(), topic()]),
            MetaRecord::TopicsCreated(Vec::new()),
            MetaRecord::TopicsDeleted(vec![id]),
            MetaRecord::PartitionsAdded(vec![(id, 12)]),
            MetaRecord::ProducerIdsReserved { next: 1 << 46 },
            MetaRecord::ConfigsChanged(vec![(id, topic().configs), (id, BTreeMap::new())]),
            MetaRecord::SettingsChanged(vec![
                (setting("a b"), Some(Bytes::from_static(b"value"))),
                (setting("a b"), Some(Bytes::new())),
                (setting("c"), None),
            ]),
        ] {
            assert_eq!(MetaRecord::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn version_one_stays_readable() {
        // Golden bytes: the log is the cluster's memory.
        let mut deleted = vec![1, 0x2a, 18, 0x0a, 16];
        deleted.extend([7; 16]);
        assert_eq!(MetaRecord::decode(&deleted), Ok(MetaRecord::TopicsDeleted(vec![topic().id])));
        let reserved = [1, 0x3a, 3, 0x08, 0xe8, 0x07];
        let record = MetaRecord::ProducerIdsReserved { next: 1000 };
        assert_eq!(record.encode(), reserved.as_slice());
        assert_eq!(MetaRecord::decode(&reserved), Ok(record));
        let mut configured = vec![1, 0x42, 26, 0x0a, 24, 0x0a, 16];
        configured.extend([7; 16]);
        configured.extend([0x12, 4, 0x0a, 0, 0x12, 0]);
        let empty = BTreeMap::from([(String::new(), String::new())]);
        let record = MetaRecord::ConfigsChanged(vec![(topic().id, empty)]);
        assert_eq!(MetaRecord::decode(&configured), Ok(record));
        let mut set = vec![1, 0x4a, 16, 0x0a, 14, 0x0a, 9];
        set.extend(b"s/acl/1/a");
        set.extend([0x12, 1, 7]);
        let record = MetaRecord::SettingsChanged(vec![(setting("a"), Some(vec![7].into()))]);
        assert_eq!(MetaRecord::decode(&set), Ok(record));
    }

    #[test]
    fn what_is_newer_is_refused_and_not_skipped() {
        assert_eq!(MetaRecord::decode(&[2, 0x3a, 0]), Err(RecordError::Newer));
        // Tag 15 of the envelope.
        assert_eq!(MetaRecord::decode(&[1, 0x7a, 0]), Err(RecordError::Newer));
        let unknown_kind = [1, 0x4a, 9, 0x0a, 7, 0x0a, 5, b's', b'/', b'x', b'/', b'1'];
        assert_eq!(MetaRecord::decode(&unknown_kind), Err(RecordError::Newer));
        assert!(matches!(MetaRecord::decode(&[]), Err(RecordError::Malformed(_))));
        assert!(matches!(MetaRecord::decode(&[1, 0x3a, 9]), Err(RecordError::Malformed(_))));
    }
}
