//! The body of a plan token. Plans live for minutes, but gateways and readers of
//! two versions run side by side: keep field numbers stable.
//!
//! A plan of a few hundred extents mostly names a handful of logs, so each
//! extent points into a table of them.

use std::time::Duration;

use bytes::BytesMut;
use prost::Message;
use protocol::ids::{PartitionId, TenantId, TopicId};

use super::Plan;
use crate::extent::{Extent, Location};
use crate::keys::Key;
use crate::log_id::LogId;
use crate::transactions::AbortedMessage;

#[derive(Clone, PartialEq, Message)]
struct PlanMessage {
    #[prost(uint32, tag = "1")]
    tenant: u32,
    #[prost(bytes = "vec", tag = "2")]
    topic: Vec<u8>,
    #[prost(int32, tag = "3")]
    index: i32,
    #[prost(string, repeated, tag = "4")]
    logs: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    extents: Vec<ExtentMessage>,
    #[prost(message, repeated, tag = "6")]
    aborted: Vec<AbortedMessage>,
    #[prost(int64, tag = "7")]
    high_watermark: i64,
    #[prost(int64, tag = "8")]
    last_stable_offset: i64,
    #[prost(int64, tag = "9")]
    log_start_offset: i64,
    #[prost(int32, tag = "10")]
    leader_epoch: i32,
    #[prost(uint64, tag = "11")]
    manifest_version: u64,
    #[prost(int64, tag = "12")]
    start_offset: i64,
    #[prost(int64, tag = "13")]
    end_offset: i64,
    // 14 was the wall-clock time of its end.
    #[prost(uint64, tag = "15")]
    made_at_ms: u64,
    #[prost(uint64, tag = "16")]
    life_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct ExtentMessage {
    /// Position in `logs`; meaningless when `key` is set.
    #[prost(uint32, tag = "1")]
    log: u32,
    #[prost(uint64, tag = "2")]
    slot: u64,
    /// Key of a compacted object; empty for a slot.
    #[prost(string, tag = "3")]
    key: String,
    #[prost(uint64, tag = "4")]
    byte_offset: u64,
    #[prost(uint32, tag = "5")]
    byte_len: u32,
    #[prost(int64, tag = "6")]
    base_offset: i64,
    #[prost(int64, tag = "7")]
    last_offset: i64,
    #[prost(int32, tag = "8")]
    leader_epoch: i32,
    #[prost(sint64, tag = "9")]
    max_timestamp: i64,
    /// `key` is the object of a run, not of a block.
    #[prost(bool, tag = "10")]
    run: bool,
}

pub(super) fn encode(plan: &Plan, out: &mut BytesMut) {
    let mut logs = Vec::new();
    let extents = plan.extents.iter().map(|extent| ExtentMessage::of(extent, &mut logs)).collect();
    let message = PlanMessage {
        tenant: plan.partition.tenant.0,
        topic: plan.partition.topic.as_bytes().to_vec(),
        index: plan.partition.index,
        logs: logs.iter().map(LogId::to_string).collect(),
        extents,
        aborted: plan.aborted.iter().map(AbortedMessage::of).collect(),
        high_watermark: plan.high_watermark,
        last_stable_offset: plan.last_stable_offset,
        log_start_offset: plan.log_start_offset,
        leader_epoch: plan.leader_epoch,
        manifest_version: plan.manifest_version,
        start_offset: plan.start_offset,
        end_offset: plan.end_offset,
        made_at_ms: millis(plan.made_at),
        life_ms: millis(plan.life),
    };
    message.encode(out).expect("a BytesMut grows");
}

pub(super) fn decode(message: &[u8]) -> Option<Plan> {
    let message = PlanMessage::decode(message).ok()?;
    let topic = TopicId::from_slice(&message.topic)?;
    let logs: Vec<LogId> =
        message.logs.iter().map(|log| log.parse().ok()).collect::<Option<_>>()?;
    Some(Plan {
        partition: PartitionId::new(TenantId(message.tenant), topic, message.index),
        extents: message
            .extents
            .iter()
            .map(|extent| extent.extent(&logs))
            .collect::<Option<_>>()?,
        aborted: message.aborted.iter().map(AbortedMessage::aborted).collect(),
        high_watermark: message.high_watermark,
        last_stable_offset: message.last_stable_offset,
        log_start_offset: message.log_start_offset,
        leader_epoch: message.leader_epoch,
        manifest_version: message.manifest_version,
        start_offset: message.start_offset,
        end_offset: message.end_offset,
        made_at: Duration::from_millis(message.made_at_ms),
        life: Duration::from_millis(message.life_ms),
    })
}

impl ExtentMessage {
    fn of(extent: &Extent, logs: &mut Vec<LogId>) -> Self {
        let (log, slot, key) = match &extent.location {
            Location::Slot { log, slot } => (position_of(*log, logs), *slot, String::new()),
            Location::Object(key) | Location::Run(key) => (0, 0, key.to_string()),
        };
        Self {
            log,
            slot,
            key,
            byte_offset: extent.byte_offset,
            byte_len: extent.byte_len,
            base_offset: extent.base_offset,
            last_offset: extent.last_offset,
            leader_epoch: extent.leader_epoch,
            max_timestamp: extent.max_timestamp,
            run: extent.is_run(),
        }
    }

    fn extent(&self, logs: &[LogId]) -> Option<Extent> {
        let location = if self.key.is_empty() {
            Location::Slot { log: *logs.get(self.log as usize)?, slot: self.slot }
        } else if self.run {
            Location::Run(Key::from_text(&self.key))
        } else {
            Location::Object(Key::from_text(&self.key))
        };
        Some(Extent {
            location,
            byte_offset: self.byte_offset,
            byte_len: self.byte_len,
            base_offset: self.base_offset,
            last_offset: self.last_offset,
            leader_epoch: self.leader_epoch,
            max_timestamp: self.max_timestamp,
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Extents come log after log, so the wanted one is mostly the last of the table.
fn position_of(log: LogId, logs: &mut Vec<LogId>) -> u32 {
    let position = logs.iter().rposition(|known| *known == log).unwrap_or_else(|| {
        logs.push(log);
        logs.len() - 1
    });
    u32::try_from(position).expect("a plan has fewer logs than 2^32")
}
