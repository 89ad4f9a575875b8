//! What the metadata log's slots say: a version byte, then protobuf.
//!
//! Persisted for ever, keep stable: tags are never reused. A kind that this version does not
//! know stops the reader, for whatever it would write next might contradict it. So a new kind is
//! written only once the cluster's release is finished ([`MetaRecord::since`], ADR 0035), and what
//! changes the meaning of a known kind is a new kind.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use metadata::model::{DecodeError, Record, TopicRecord};
use metadata::settings::SettingKey;
use prost::Message;
use protocol::ids::TopicId;
use protocol::release::Release;

const VERSION: u8 = 1;

/// One committed change of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetaRecord {
    /// The cluster begins, with its identity and the topic of its groups' state.
    Founded { cluster_id: String, generation: u16, group_state: TopicRecord, release: Release },
    /// What the releases up to this one know may be written from here on.
    ReleaseFinished(Release),
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

    /// The release that must be finished before this is written. That of a kind is the one that
    /// brought it; a kind that says which release is finished comes before its time, for that is
    /// how it stops those who do not know it.
    pub(crate) fn since(&self) -> Release {
        match self {
            Self::Founded { .. }
            | Self::ReleaseFinished(_)
            | Self::Generation(_)
            | Self::TakenOver { .. }
            | Self::Leader { .. }
            | Self::TopicsCreated(_)
            | Self::TopicsDeleted(_)
            | Self::PartitionsAdded(_)
            | Self::ProducerIdsReserved { .. }
            | Self::ConfigsChanged(_)
            | Self::SettingsChanged(_) => Release::FIRST,
        }
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
            Self::Founded { cluster_id, generation, group_state, release } => {
                let founded = Founded {
                    cluster_id: cluster_id.clone(),
                    generation: u32::from(*generation),
                    group_state: group_state.encode(),
                };
                if *release == Release::FIRST {
                    return Body::Founded(founded);
                }
                let (founded, release) = (Some(founded), release.number().into());
                Body::FoundedWithRelease(FoundedWithRelease { founded, release })
            }
            Self::ReleaseFinished(release) => {
                Body::ReleaseFinished(ReleaseFinished { release: release.number().into() })
            }
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
            Body::Founded(founded) => founded.read(Release::FIRST)?,
            Body::FoundedWithRelease(message) => {
                let release = release(message.release)?;
                let lacking = || RecordError::Malformed("founded".to_owned());
                message.founded.ok_or_else(lacking)?.read(release)?
            }
            Body::ReleaseFinished(message) => Self::ReleaseFinished(release(message.release)?),
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
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
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
    // From here on what release 2 brought.
    #[prost(message, tag = "11")]
    ReleaseFinished(ReleaseFinished),
    #[prost(message, tag = "12")]
    FoundedWithRelease(FoundedWithRelease),
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

impl Founded {
    fn read(self, release: Release) -> Result<MetaRecord, RecordError> {
        Ok(MetaRecord::Founded {
            cluster_id: self.cluster_id,
            generation: generation(self.generation)?,
            group_state: topic(&self.group_state)?,
            release,
        })
    }
}

#[derive(Clone, PartialEq, Message)]
struct FoundedWithRelease {
    #[prost(message, optional, tag = "1")]
    founded: Option<Founded>,
    #[prost(uint32, tag = "2")]
    release: u32,
}

#[derive(Clone, PartialEq, Message)]
struct ReleaseFinished {
    #[prost(uint32, tag = "1")]
    release: u32,
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

/// What comes after the record of a release that this program does not know may mean anything.
fn release(value: u32) -> Result<Release, RecordError> {
    let release = u16::try_from(value).ok().and_then(Release::new);
    let release = release.ok_or_else(|| RecordError::Malformed(format!("release {value}")))?;
    if release <= Release::THIS { Ok(release) } else { Err(RecordError::Newer) }
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
mod tests;
