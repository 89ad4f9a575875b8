//! The bytes of the records: one version byte, then protobuf.
//!
//! Persisted, keep stable: tags are never reused, a new meaning takes a new tag. The messages
//! are private; [`super`] has the types that the rest of the system sees.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use protocol::{
    ids::{BrokerId, NodeId, ReaderId, TenantId, TopicId},
    release::Release,
};

use super::{
    Assignment, DecodeError, Endpoint, GatewayRecord, LeaderRecord, NodeLiveRecord, NodeRecord,
    NodeState, ProcessRecord, ProducerIdRecord, ReaderRecord, Record, StandbyRecord, TopicRecord,
};

mod cluster;

const VERSION: u8 = 1;

/// Declares a record's message and both directions of the conversion. Whoever uses it has [`open`],
/// [`seal`] and the names of the types in scope.
macro_rules! record {
    (
        $record:ident as $wire:ident { $($(#[$attribute:meta])+ $field:ident: $type:ty,)* }
        to: |$from:ident| $to_wire:expr;
        from: |$message:ident| $from_wire:expr;
    ) => {
        #[derive(Clone, PartialEq, Message)]
        struct $wire { $($(#[$attribute])+ $field: $type,)* }

        impl Record for $record {
            fn encode(&self) -> Bytes {
                let $from = self;
                seal(&$to_wire)
            }

            fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                let malformed = |reason: String| {
                    DecodeError::Malformed { record: stringify!($record), reason }
                };
                let body = open(bytes)?;
                let $message = $wire::decode(body).map_err(|error| malformed(error.to_string()))?;
                let convert = || -> Result<Self, String> { $from_wire };
                convert().map_err(malformed)
            }
        }
    };
}
pub(crate) use record;

record! {
    StandbyRecord as WireStandby {
        #[prost(string, tag = "1")] site: String,
        #[prost(uint64, tag = "2")] next_slot: u64,
    }
    to: |record| WireStandby { site: record.site.clone(), next_slot: record.next_slot };
    from: |wire| Ok(Self { site: wire.site, next_slot: wire.next_slot });
}

record! {
    LeaderRecord as WireLeader {
        #[prost(string, tag = "1")] control_id: String,
        #[prost(string, tag = "2")] address: String,
        #[prost(string, tag = "3")] admin: String,
    }
    to: |record| WireLeader {
        control_id: record.control_id.clone(),
        address: record.address.clone(),
        admin: record.admin.clone(),
    };
    from: |wire| Ok(Self {
        control_id: wire.control_id,
        address: wire.address,
        admin: wire.admin,
    });
}

record! {
    NodeRecord as WireNode {
        #[prost(int32, tag = "1")] node: i32,
        #[prost(uint64, tag = "2")] incarnation: u64,
        #[prost(string, tag = "3")] log_id: String,
        #[prost(enumeration = "WireNodeState", tag = "4")] state: i32,
        #[prost(string, tag = "5")] address: String,
        #[prost(string, tag = "6")] zone: String,
        #[prost(string, tag = "7")] front: String,
        #[prost(uint64, tag = "8")] batch_bytes_max: u64,
    }
    to: |record| WireNode {
        node: record.node.0,
        incarnation: record.incarnation,
        log_id: record.log_id.clone(),
        state: WireNodeState::from(record.state) as i32,
        address: record.address.clone(),
        zone: record.zone.clone(),
        front: record.front.clone(),
        batch_bytes_max: record.batch_bytes_max,
    };
    from: |wire| Ok(Self {
        node: NodeId(wire.node),
        incarnation: wire.incarnation,
        state: node_state(wire.state)?,
        log_id: wire.log_id,
        address: wire.address,
        zone: wire.zone,
        front: wire.front,
        batch_bytes_max: wire.batch_bytes_max,
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum WireNodeState {
    // 0 is what a message without the field says: never a state.
    Unspecified = 0,
    Live = 1,
    Fenced = 2,
    Ended = 3,
}

impl From<NodeState> for WireNodeState {
    fn from(state: NodeState) -> Self {
        match state {
            NodeState::Live => Self::Live,
            NodeState::Fenced => Self::Fenced,
            NodeState::Ended => Self::Ended,
        }
    }
}

fn node_state(value: i32) -> Result<NodeState, String> {
    match WireNodeState::try_from(value) {
        Ok(WireNodeState::Live) => Ok(NodeState::Live),
        Ok(WireNodeState::Fenced) => Ok(NodeState::Fenced),
        Ok(WireNodeState::Ended) => Ok(NodeState::Ended),
        Ok(WireNodeState::Unspecified) | Err(_) => Err(format!("state {value}")),
    }
}

record! {
    GatewayRecord as WireGateway {
        #[prost(int32, tag = "1")] broker_id: i32,
        // Tags 2 and 3 were the host and port of the one listener there was.
        #[prost(string, tag = "4")] zone: String,
        #[prost(string, tag = "5")] address: String,
        #[prost(btree_map = "string, message", tag = "6")] endpoints: BTreeMap<String, WireEndpoint>,
        #[prost(string, tag = "7")] set: String,
        // None: as the broker id.
        #[prost(int32, optional, tag = "8")] slot: Option<i32>,
        #[prost(uint32, tag = "9")] release: u32,
    }
    to: |record| WireGateway {
        broker_id: record.broker_id.0,
        zone: record.zone.clone(),
        address: record.address.clone(),
        endpoints: record.endpoints.iter().map(|(name, at)| (name.clone(), at.into())).collect(),
        set: record.set.clone(),
        slot: (record.slot != record.broker_id).then_some(record.slot.0),
        release: put_release(record.release),
    };
    from: |wire| Ok(Self {
        broker_id: BrokerId(wire.broker_id),
        slot: BrokerId(wire.slot.unwrap_or(wire.broker_id)),
        endpoints: endpoints(wire.endpoints)?,
        set: wire.set,
        zone: wire.zone,
        address: wire.address,
        release: release(wire.release)?,
    });
}

#[derive(Clone, PartialEq, Message)]
struct WireEndpoint {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(uint32, tag = "2")]
    port: u32,
    #[prost(string, tag = "3")]
    tenant_host: String,
}

impl From<&Endpoint> for WireEndpoint {
    fn from(endpoint: &Endpoint) -> Self {
        let Endpoint { host, port, tenant_host } = endpoint.clone();
        Self { host, port: port.into(), tenant_host }
    }
}

fn endpoints(wire: BTreeMap<String, WireEndpoint>) -> Result<BTreeMap<String, Endpoint>, String> {
    let read = |(name, WireEndpoint { host, port, tenant_host })| {
        let port = u16::try_from(port).map_err(|_| "port".to_owned())?;
        Ok((name, Endpoint { host, port, tenant_host }))
    };
    wire.into_iter().map(read).collect()
}

record! {
    NodeLiveRecord as WireNodeLive {
        #[prost(bool, tag = "1")] clock_is_wrong: bool,
        #[prost(uint32, tag = "2")] release: u32,
    }
    to: |record| WireNodeLive {
        clock_is_wrong: record.clock_is_wrong,
        release: put_release(record.release),
    };
    from: |wire| Ok(Self {
        clock_is_wrong: wire.clock_is_wrong,
        release: release(wire.release)?,
    });
}

record! {
    ProcessRecord as WireProcess {
        #[prost(string, tag = "1")] role: String,
        #[prost(uint32, tag = "2")] release: u32,
    }
    to: |record| WireProcess {
        role: record.role.clone(),
        release: put_release(record.release),
    };
    from: |wire| Ok(Self { role: wire.role, release: release(wire.release)? });
}

record! {
    ReaderRecord as WireReader {
        #[prost(int32, tag = "1")] reader: i32,
        #[prost(string, tag = "2")] address: String,
        #[prost(string, tag = "3")] zone: String,
        #[prost(uint32, tag = "4")] release: u32,
    }
    to: |record| WireReader {
        reader: record.reader.0,
        address: record.address.clone(),
        zone: record.zone.clone(),
        release: put_release(record.release),
    };
    from: |wire| Ok(Self {
        reader: ReaderId(wire.reader),
        address: wire.address,
        zone: wire.zone,
        release: release(wire.release)?,
    });
}

record! {
    TopicRecord as WireTopic {
        #[prost(uint32, tag = "1")] tenant: u32,
        #[prost(bytes = "vec", tag = "2")] id: Vec<u8>,
        #[prost(string, tag = "3")] name: String,
        #[prost(int32, tag = "4")] partitions: i32,
        #[prost(btree_map = "string, string", tag = "5")] configs: BTreeMap<String, String>,
        #[prost(bool, tag = "6")] internal: bool,
        #[prost(int64, tag = "7")] created_ms: i64,
    }
    to: |record| WireTopic {
        tenant: record.tenant.0,
        id: record.id.as_bytes().to_vec(),
        name: record.name.clone(),
        partitions: record.partitions,
        configs: record.configs.clone(),
        internal: record.internal,
        created_ms: record.created_ms,
    };
    from: |wire| Ok(Self {
        tenant: TenantId(wire.tenant),
        id: topic_id(&wire.id)?,
        name: wire.name,
        partitions: positive(wire.partitions, "partitions")?,
        configs: wire.configs,
        internal: wire.internal,
        created_ms: wire.created_ms,
    });
}

record! {
    Assignment as WireAssignment {
        #[prost(int32, tag = "1")] node: i32,
        #[prost(int32, tag = "2")] epoch: i32,
    }
    to: |record| WireAssignment { node: record.node.0, epoch: record.epoch };
    from: |wire| Ok(Self { node: NodeId(wire.node), epoch: wire.epoch });
}

record! {
    ProducerIdRecord as WireProducerIds {
        #[prost(int64, tag = "1")] next: i64,
    }
    to: |record| WireProducerIds { next: record.next };
    from: |wire| Ok(Self { next: wire.next });
}

/// A record's bytes.
pub(crate) fn seal(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + message.encoded_len());
    bytes.put_u8(VERSION);
    message.encode(&mut bytes).expect("the buffer grows as needed");
    bytes.freeze()
}

/// A record's message, if its version is ours.
pub(crate) fn open(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    match bytes.split_first() {
        None => Err(DecodeError::Empty),
        Some((&VERSION, body)) => Ok(body),
        Some((&version, _)) => Err(DecodeError::Version(version)),
    }
}

/// The first release is none on the wire: its processes do not say.
fn put_release(release: Release) -> u32 {
    if release == Release::FIRST { 0 } else { release.number().into() }
}

fn release(number: u32) -> Result<Release, String> {
    let number = u16::try_from(number).map_err(|_| "release".to_owned())?;
    Ok(Release::new(number).unwrap_or_default())
}

fn topic_id(bytes: &[u8]) -> Result<TopicId, String> {
    TopicId::from_slice(bytes).filter(|id| !id.is_nil()).ok_or_else(|| "topic id".to_owned())
}

fn positive(value: i32, field: &str) -> Result<i32, String> {
    if value > 0 { Ok(value) } else { Err(format!("{field}: {value}")) }
}

#[cfg(test)]
mod tests;
