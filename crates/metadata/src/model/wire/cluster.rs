//! `c/cluster`: the one record that every process must be able to judge, of whichever release.
//!
//! Its version byte is 1 while the cluster writes as release 1, whose processes know no other, and 2
//! ever after: they refuse it, and so do not join a cluster that is beyond them. Every later release
//! reads both, for it only ever adds fields, and finds in `release` whether it may join (ADR 0035).

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use protocol::release::Release;

use super::{VERSION, positive, put_release, release, topic_id};
use crate::model::{ClusterRecord, DecodeError, Record};

/// Since the second release.
const VERSION_WITH_RELEASE: u8 = 2;

#[derive(Clone, PartialEq, Message)]
struct WireCluster {
    #[prost(string, tag = "1")]
    cluster_id: String,
    #[prost(uint32, tag = "2")]
    generation: u32,
    #[prost(bytes = "vec", tag = "3")]
    secret: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    group_state_topic: Vec<u8>,
    #[prost(int32, tag = "5")]
    group_state_partitions: i32,
    #[prost(bool, tag = "6")]
    retired: bool,
    #[prost(uint32, tag = "7")]
    release: u32,
}

impl Record for ClusterRecord {
    fn encode(&self) -> Bytes {
        let message = WireCluster {
            cluster_id: self.cluster_id.clone(),
            generation: u32::from(self.generation),
            secret: self.secret.to_vec(),
            group_state_topic: self.group_state_topic.as_bytes().to_vec(),
            group_state_partitions: self.group_state_partitions,
            retired: self.retired,
            release: put_release(self.release),
        };
        let version = if self.release > Release::FIRST { VERSION_WITH_RELEASE } else { VERSION };
        let mut bytes = BytesMut::with_capacity(1 + message.encoded_len());
        bytes.put_u8(version);
        message.encode(&mut bytes).expect("the buffer grows as needed");
        bytes.freeze()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = match bytes.split_first() {
            None => return Err(DecodeError::Empty),
            Some((&(VERSION | VERSION_WITH_RELEASE), body)) => body,
            Some((&version, _)) => return Err(DecodeError::Version(version)),
        };
        let malformed = |reason: String| DecodeError::Malformed { record: "ClusterRecord", reason };
        let wire = WireCluster::decode(body).map_err(|error| malformed(error.to_string()))?;
        read(wire).map_err(malformed)
    }
}

fn read(wire: WireCluster) -> Result<ClusterRecord, String> {
    Ok(ClusterRecord {
        cluster_id: wire.cluster_id,
        generation: u16::try_from(wire.generation).map_err(|_| "generation".to_owned())?,
        secret: wire.secret.try_into().map_err(|_| "secret is not 32 bytes".to_owned())?,
        group_state_topic: topic_id(&wire.group_state_topic)?,
        group_state_partitions: positive(wire.group_state_partitions, "partitions")?,
        retired: wire.retired,
        release: release(wire.release)?,
    })
}
