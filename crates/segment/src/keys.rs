//! Every object key of the system, built and parsed in this one place.
//!
//! ```text
//! meta/{slot:020}                                  cluster metadata log
//! l/{h2}/{log}/{slot:012}                          data log of one node incarnation
//! w/{h2}/{log}/{slot:012}                          object WAL of that incarnation
//! m/{h2}/{topic}/{partition}                       partition manifest
//! d/{h2}/{topic}/{partition}/{base:020}-{uuid}     compacted object of one partition
//! d/{h2}/packs/{uuid}                              compacted object of many partitions
//! x/{h2}/{log}/index-{uuid}                        index snapshot of an ended log
//! x/{h2}/producers/{uuid}                          producer snapshot of many partitions
//! g/{generation:05}                                the cluster has come to this generation
//! probe/{uuid}/{name}                              start-up probe, deleted afterwards
//! ```
//!
//! `h2` are two hexadecimal digits of a hash of what follows: 256 prefixes, so
//! that no prefix meets the store's request limit alone (R29). `topic` is the
//! topic's UUID as 32 digits; tenant-visible names never leave the node (R56).

use std::fmt;
use std::sync::Arc;

use protocol::ids::{PartitionId, TopicId};
use uuid::Uuid;

use crate::log_id::LogId;

/// An object key, relative to the store's prefix. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// A key that came from outside: a listing, an END object, a plan.
    pub fn from_text(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// The three uses of a SeqLog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Data log of a node incarnation (`l/`): uploaded segments.
    Data,
    /// Object WAL of a node incarnation (`w/`): the front of kind "object".
    Wal,
    /// The cluster's metadata log (`meta/`), written by successive leaders.
    Meta,
}

impl Family {
    /// First segment of the keys of this family.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Data => "l",
            Self::Wal => "w",
            Self::Meta => "meta",
        }
    }
}

/// What a key names. The inverse of the builders below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A slot of the metadata log.
    MetaSlot(u64),
    /// A slot of a node's data log or object WAL.
    LogSlot(Family, LogId, u64),
    /// The manifest of a partition.
    Manifest(TopicId, i32),
    /// A compacted object: partition, first offset and unique name.
    Compacted(TopicId, i32, i64, Uuid),
    /// A compacted object of many partitions.
    Pack(Uuid),
    /// An index snapshot of a log.
    Index(LogId, Uuid),
    /// A producer snapshot.
    Producers(Uuid),
    /// A generation of the cluster.
    Generation(u32),
}

/// Key of a slot. The metadata log has one name only, so `log` is not part of its keys.
pub fn slot(family: Family, log: &LogId, slot: u64) -> Key {
    match family {
        Family::Meta => Key::from_text(&format!("meta/{slot:020}")),
        Family::Data | Family::Wal => {
            Key::from_text(&format!("{}{slot:012}", log_prefix(family, log)))
        }
    }
}

/// What the keys of all slots of a log start with, `/` included.
pub fn log_prefix(family: Family, log: &LogId) -> String {
    match family {
        Family::Meta => "meta/".to_owned(),
        Family::Data | Family::Wal => {
            let name = log.to_string();
            format!("{}/{}/{name}/", family.prefix(), spread(&name))
        }
    }
}

/// The log of which this is the folder of slots, as a listing gives it.
pub(crate) fn log_of_folder(family: Family, folder: &Key) -> Option<LogId> {
    let name = folder.as_str().rsplit('/').next()?;
    let log = name.parse().ok()?;
    (log_prefix(family, &log).trim_end_matches('/') == folder.as_str()).then_some(log)
}

/// Prefixes that together hold the slots of all logs of a family.
pub(crate) fn log_folders(family: Family) -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(move |hash| format!("{}/{hash:02x}", family.prefix()))
}

/// Key of the object by which a generation of the cluster fences those before it.
pub fn generation(generation: u32) -> Key {
    Key::from_text(&format!("g/{generation:05}"))
}

/// Key of a partition's manifest.
pub fn manifest(partition: &PartitionId) -> Key {
    let name = partition_path(partition);
    Key::from_text(&format!("m/{}/{name}", spread(&name)))
}

/// Key of a compacted object that starts at `base_offset`.
pub fn compacted(partition: &PartitionId, base_offset: i64, unique: Uuid) -> Key {
    let name = partition_path(partition);
    Key::from_text(&format!("d/{}/{name}/{base_offset:020}-{}", spread(&name), unique.simple()))
}

/// Key of a compacted object that holds many partitions' records.
pub fn pack(unique: Uuid) -> Key {
    shared("d", "packs", unique)
}

/// Key of a producer snapshot.
pub fn producers(unique: Uuid) -> Key {
    shared("x", "producers", unique)
}

/// Key of an object that belongs to no single partition.
fn shared(family: &str, folder: &str, unique: Uuid) -> Key {
    let name = unique.simple().to_string();
    Key::from_text(&format!("{family}/{}/{folder}/{name}", spread(&name)))
}

/// Key of an index snapshot.
pub fn index(log: &LogId, unique: Uuid) -> Key {
    let name = log.to_string();
    Key::from_text(&format!("x/{}/{name}/index-{}", spread(&name), unique.simple()))
}

/// Key of an object of one run of the start-up probe.
pub fn probe(run: Uuid, name: &str) -> Key {
    Key::from_text(&format!("probe/{}/{name}", run.simple()))
}

/// What a key names, or `None` when no builder of this module makes it.
pub fn parse(key: &Key) -> Option<Parsed> {
    let parsed = parse_parts(key.as_str())?;
    let rebuilt = match &parsed {
        Parsed::MetaSlot(number) => {
            return (key.as_str() == format!("meta/{number:020}")).then_some(parsed);
        }
        Parsed::LogSlot(family, log, number) => slot(*family, log, *number),
        Parsed::Manifest(topic, index) => manifest(&any_tenant(*topic, *index)),
        Parsed::Compacted(topic, index, base, unique) => {
            compacted(&any_tenant(*topic, *index), *base, *unique)
        }
        Parsed::Pack(unique) => pack(*unique),
        Parsed::Index(log, unique) => index(log, *unique),
        Parsed::Producers(unique) => producers(*unique),
        Parsed::Generation(number) => generation(*number),
    };
    // Exactly one text per meaning: a second spelling would dodge the hash prefix.
    (rebuilt == *key).then_some(parsed)
}

fn parse_parts(text: &str) -> Option<Parsed> {
    let parts: Vec<&str> = text.split('/').collect();
    match *parts.as_slice() {
        ["meta", number] => Some(Parsed::MetaSlot(number.parse().ok()?)),
        ["l", _, log, number] => {
            Some(Parsed::LogSlot(Family::Data, log.parse().ok()?, number.parse().ok()?))
        }
        ["w", _, log, number] => {
            Some(Parsed::LogSlot(Family::Wal, log.parse().ok()?, number.parse().ok()?))
        }
        ["g", number] => Some(Parsed::Generation(number.parse().ok()?)),
        ["m", _, topic, index] => Some(Parsed::Manifest(topic_id(topic)?, index.parse().ok()?)),
        ["d", _, "packs", unique] => Some(Parsed::Pack(Uuid::try_parse(unique).ok()?)),
        ["x", _, "producers", unique] => Some(Parsed::Producers(Uuid::try_parse(unique).ok()?)),
        ["d", _, topic, index, name] => {
            let (base, unique) = name.split_once('-')?;
            Some(Parsed::Compacted(
                topic_id(topic)?,
                index.parse().ok()?,
                base.parse().ok()?,
                Uuid::try_parse(unique).ok()?,
            ))
        }
        ["x", _, log, name] => {
            let unique = Uuid::try_parse(name.strip_prefix("index-")?).ok()?;
            Some(Parsed::Index(log.parse().ok()?, unique))
        }
        _ => None,
    }
}

fn topic_id(text: &str) -> Option<TopicId> {
    Uuid::try_parse(text).ok().map(TopicId)
}

/// Keys name the topic's UUID, which is unique over all tenants.
fn any_tenant(topic: TopicId, index: i32) -> PartitionId {
    PartitionId { tenant: protocol::ids::TenantId::SYSTEM, topic, index }
}

fn partition_path(partition: &PartitionId) -> String {
    format!("{}/{}", partition.topic.0.simple(), partition.index)
}

/// Two hexadecimal digits that spread names evenly over 256 prefixes.
fn spread(name: &str) -> String {
    format!("{:02x}", crc32c::crc32c(name.as_bytes()) & 0xff)
}

#[cfg(test)]
mod tests;
