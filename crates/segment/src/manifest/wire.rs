//! The stored form of a manifest: an [`crate::envelope`] around protobuf (R23).
//!
//! Field numbers are persisted: keep them stable, never reuse one.

use bytes::Bytes;
use prost::Message;
use protocol::ids::{PartitionId, TenantId, TopicId};
use uuid::Uuid;

use super::{CompactedObject, Link, Manifest, ProducersRef};
use crate::envelope::{self, Format};
use crate::keys::{self, Key, Parsed};
use crate::token::WriterToken;

const FORMAT: Format = Format { magic: *b"TCLM", version: 1 };

#[derive(Clone, PartialEq, Message)]
struct ManifestMessage {
    #[prost(uint32, tag = "1")]
    tenant: u32,
    #[prost(bytes = "vec", tag = "2")]
    topic: Vec<u8>,
    #[prost(int32, tag = "3")]
    index: i32,
    #[prost(uint64, tag = "4")]
    version: u64,
    #[prost(fixed64, tag = "5")]
    nonce: u64,
    #[prost(bytes = "vec", tag = "6")]
    prev_hash: Vec<u8>,
    #[prost(int32, tag = "7")]
    epoch: i32,
    #[prost(string, tag = "8")]
    owner: String,
    #[prost(message, repeated, tag = "9")]
    chain: Vec<LinkMessage>,
    #[prost(message, repeated, tag = "10")]
    epoch_history: Vec<EpochMessage>,
    #[prost(int64, tag = "11")]
    log_start_offset: i64,
    #[prost(int64, tag = "12")]
    compacted_upto: i64,
    #[prost(message, repeated, tag = "13")]
    objects: Vec<ObjectMessage>,
    #[prost(bool, tag = "14")]
    deleted: bool,
    #[prost(message, optional, tag = "15")]
    producers: Option<ProducersMessage>,
    #[prost(int64, tag = "16")]
    cleaned_upto: i64,
}

#[derive(Clone, PartialEq, Message)]
struct LinkMessage {
    #[prost(int32, tag = "1")]
    epoch: i32,
    #[prost(string, tag = "2")]
    log: String,
    #[prost(uint64, tag = "3")]
    first_slot: u64,
    #[prost(int64, tag = "4")]
    start_offset: i64,
    #[prost(int64, optional, tag = "5")]
    end_offset: Option<i64>,
    #[prost(uint64, optional, tag = "6")]
    close_slot: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct EpochMessage {
    #[prost(int32, tag = "1")]
    epoch: i32,
    #[prost(int64, tag = "2")]
    start_offset: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ProducersMessage {
    /// Empty if there were no producers.
    #[prost(string, tag = "1")]
    key: String,
    #[prost(int64, tag = "2")]
    upto: i64,
}

/// About 45 bytes: a partition has up to a hundred objects, and its manifest is read and written
/// whole. So a key is its unique part only; the rest of it follows from what else is here.
#[derive(Clone, PartialEq, Message)]
struct ObjectMessage {
    /// The whole key, as manifests had it before there were packs. Read, never written.
    #[prost(string, tag = "1")]
    key: String,
    /// The object is the partition's own.
    #[prost(bytes = "vec", tag = "6")]
    own: Vec<u8>,
    /// The object is a pack.
    #[prost(bytes = "vec", tag = "7")]
    pack: Vec<u8>,
    #[prost(int64, tag = "2")]
    base_offset: i64,
    #[prost(int64, tag = "3")]
    last_offset: i64,
    #[prost(uint64, tag = "4")]
    size: u64,
    #[prost(sint64, tag = "5")]
    max_timestamp: i64,
}

pub(super) fn encode(manifest: &Manifest, token: WriterToken) -> Bytes {
    let history = manifest.epoch_history.iter();
    let message = ManifestMessage {
        tenant: manifest.partition.tenant.0,
        topic: manifest.partition.topic.as_bytes().to_vec(),
        index: manifest.partition.index,
        version: manifest.version,
        nonce: manifest.nonce,
        prev_hash: manifest.prev_hash.to_vec(),
        epoch: manifest.epoch,
        owner: manifest.owner.to_string(),
        chain: manifest.chain.iter().map(LinkMessage::of).collect(),
        epoch_history: history
            .map(|&(epoch, start_offset)| EpochMessage { epoch, start_offset })
            .collect(),
        log_start_offset: manifest.log_start_offset,
        compacted_upto: manifest.compacted_upto,
        objects: manifest.objects.iter().map(ObjectMessage::of).collect(),
        deleted: manifest.deleted,
        producers: manifest.producers.as_ref().map(|producers| ProducersMessage {
            key: producers.key.as_ref().map(Key::to_string).unwrap_or_default(),
            upto: producers.upto,
        }),
        cleaned_upto: manifest.cleaned_upto,
    };
    envelope::seal(FORMAT, token, &message)
}

pub(super) fn decode(object: &[u8]) -> Result<Manifest, String> {
    let message: ManifestMessage =
        envelope::open(FORMAT, object).map_err(|error| error.to_string())?;
    let topic = TopicId::from_slice(&message.topic).ok_or("topic is no UUID")?;
    let history = message.epoch_history.iter();
    let partition = PartitionId::new(TenantId(message.tenant), topic, message.index);
    let objects = message.objects.iter().map(|object| object.object(&partition));
    Ok(Manifest {
        partition,
        version: message.version,
        nonce: message.nonce,
        prev_hash: message.prev_hash.try_into().map_err(|_| "previous hash is no SHA-256")?,
        epoch: message.epoch,
        owner: message.owner.parse().map_err(|_| "owner is no log")?,
        chain: message
            .chain
            .iter()
            .map(LinkMessage::link)
            .collect::<Option<_>>()
            .ok_or("a link names no log")?,
        epoch_history: history.map(|epoch| (epoch.epoch, epoch.start_offset)).collect(),
        log_start_offset: message.log_start_offset,
        compacted_upto: message.compacted_upto,
        objects: objects.collect::<Option<_>>().ok_or("an object has no name")?,
        producers: message.producers.map(|producers| ProducersRef {
            key: (!producers.key.is_empty()).then(|| Key::from_text(&producers.key)),
            upto: producers.upto,
        }),
        deleted: message.deleted,
        cleaned_upto: message.cleaned_upto,
    })
}

impl LinkMessage {
    fn of(link: &Link) -> Self {
        Self {
            epoch: link.epoch,
            log: link.log.to_string(),
            first_slot: link.first_slot,
            start_offset: link.start_offset,
            end_offset: link.end_offset,
            close_slot: link.close_slot,
        }
    }

    fn link(&self) -> Option<Link> {
        Some(Link {
            epoch: self.epoch,
            log: self.log.parse().ok()?,
            first_slot: self.first_slot,
            start_offset: self.start_offset,
            end_offset: self.end_offset,
            close_slot: self.close_slot,
        })
    }
}

impl ObjectMessage {
    fn of(object: &CompactedObject) -> Self {
        let (own, pack) = match keys::parse(&object.key) {
            Some(Parsed::Compacted(.., unique)) => (unique.as_bytes().to_vec(), Vec::new()),
            Some(Parsed::Pack(unique)) => (Vec::new(), unique.as_bytes().to_vec()),
            _ => unreachable!("{}: no key of a compacted object", object.key),
        };
        Self {
            key: String::new(),
            own,
            pack,
            base_offset: object.base_offset,
            last_offset: object.last_offset,
            size: object.size,
            max_timestamp: object.max_timestamp,
        }
    }

    fn object(&self, partition: &PartitionId) -> Option<CompactedObject> {
        let key = match (Uuid::from_slice(&self.own), Uuid::from_slice(&self.pack)) {
            (Ok(unique), Err(_)) => keys::compacted(partition, self.base_offset, unique),
            (Err(_), Ok(unique)) => keys::pack(unique),
            _ if !self.key.is_empty() => Key::from_text(&self.key),
            _ => return None,
        };
        Some(CompactedObject {
            key,
            base_offset: self.base_offset,
            last_offset: self.last_offset,
            size: self.size,
            max_timestamp: self.max_timestamp,
        })
    }
}
