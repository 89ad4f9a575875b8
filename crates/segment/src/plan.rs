//! Plan: what a cold reader may read for one fetch, as the partition's owner saw it.
//!
//! In: the owner's view of a partition at one instant (R35).
//! Out: a token that travels through the gateway to a cold reader, who accepts
//! nothing else (R36): it cannot be talked into reading another tenant's bytes.
//! Never: secrets. The content is readable to whoever carries it; only the MAC
//! keeps it from being changed.
//!
//! How old a plan is, is said by whoever carries it, in time that went by on its own
//! machine (R71): no two machines' clocks are ever compared. One that would lie about
//! it can ask the owner for a new plan just as well.
//!
//! ```text
//! token
//! size field
//!    1 version, 1
//!      protobuf message
//!   32 HMAC-SHA256 over "thermocline plan" and all bytes before
//! ```

mod wire;

use std::ops::Range;
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::{BufMut as _, Bytes, BytesMut};
use protocol::ids::PartitionId;

use crate::extent::Extent;
use crate::transactions::AbortedTransaction;

/// A plan expires at the latest after this; the garbage collector waits longer (R31).
pub const PLAN_LIFE_MAX: Duration = Duration::from_secs(600);

/// Aborted transactions in one plan, some 20 bytes each: the token travels with every cold fetch.
pub const PLAN_ABORTED_MAX: usize = 1_000;

const VERSION: u8 = 1;
const MAC_LEN: usize = 32;
/// Keeps tokens apart from whatever else the same secret signs.
const PURPOSE: &[u8] = b"thermocline plan";

/// What one cold fetch, and the ones that continue it, may read.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Whose records.
    pub partition: PartitionId,
    /// Where they are, in offset order. Immutable data: the plan outlives a move
    /// of the partition.
    pub extents: Vec<Extent>,
    /// Aborted transactions among these records.
    pub aborted: Vec<AbortedTransaction>,
    /// The owner's high watermark.
    pub high_watermark: i64,
    /// The owner's last stable offset.
    pub last_stable_offset: i64,
    /// The owner's log start.
    pub log_start_offset: i64,
    /// The owner's epoch.
    pub leader_epoch: i32,
    /// Version of the manifest that the extents were taken from.
    pub manifest_version: u64,
    /// First offset that the plan serves.
    pub start_offset: i64,
    /// The offset after the last that it serves.
    pub end_offset: i64,
    /// When it was made, on the clock of its maker's process: nobody else can tell its age by it.
    pub made_at: Duration,
    /// How old it may become.
    pub life: Duration,
}

/// A token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not made with this cluster's secret, or changed since.
    #[error("plan is not authentic")]
    Forged,
    /// Too old: ask the owner for a new one.
    #[error("plan has expired")]
    Expired,
    /// Authentic but not understood: made by another version.
    #[error("plan is of another version")]
    Version,
}

/// Ends `offsets` earlier if too many aborted transactions touch them, which are in the order of their
/// first offsets. Those that touch the first offset are all told, however many they are.
pub fn bound_aborted(aborted: &mut Vec<AbortedTransaction>, offsets: &mut Range<i64>) {
    let beyond = aborted.get(PLAN_ABORTED_MAX).map(|aborted| aborted.first_offset);
    if let Some(end) = beyond.filter(|end| *end > offsets.start) {
        offsets.end = end;
        aborted.retain(|aborted| aborted.first_offset < end);
    }
}

impl Plan {
    /// All but the extents, for whoever puts others in their place.
    #[must_use]
    pub fn clone_without_extents(&self) -> Self {
        Self { extents: Vec::new(), aborted: self.aborted.clone(), ..*self }
    }

    /// The plan as a token.
    pub fn seal(&self, secret: &[u8]) -> Bytes {
        let mut token = BytesMut::new();
        token.put_u8(VERSION);
        wire::encode(self, &mut token);
        let tag = mac(secret, &token);
        token.put_slice(tag.as_ref());
        token.freeze()
    }

    /// The plan in a token, if it is authentic and `age` is not too old.
    pub fn open(token: &[u8], secret: &[u8], age: Duration) -> Result<Self, PlanError> {
        let plan = Self::verified(token, secret)?;
        if age < plan.life { Ok(plan) } else { Err(PlanError::Expired) }
    }

    /// The plan in a token that this process made, if it is not too old at `now`.
    pub fn open_own(token: &[u8], secret: &[u8], now: Duration) -> Result<Self, PlanError> {
        let plan = Self::verified(token, secret)?;
        if now < plan.expires_at() { Ok(plan) } else { Err(PlanError::Expired) }
    }

    /// When it expires, on the clock of its maker's process.
    pub fn expires_at(&self) -> Duration {
        self.made_at.saturating_add(self.life)
    }

    fn verified(token: &[u8], secret: &[u8]) -> Result<Self, PlanError> {
        let at = token.len().checked_sub(MAC_LEN).ok_or(PlanError::Forged)?;
        let (signed, tag) = token.split_at(at);
        verify(secret, signed, tag)
            .or_else(|forged| process::mutation::on("R36").then_some(()).ok_or(forged))?;
        let (&version, message) = signed.split_first().ok_or(PlanError::Version)?;
        if version != VERSION {
            return Err(PlanError::Version);
        }
        wire::decode(message).ok_or(PlanError::Version)
    }
}

fn mac(secret: &[u8], signed: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(PURPOSE);
    context.update(signed);
    context.sign()
}

/// In constant time.
fn verify(secret: &[u8], signed: &[u8], tag: &[u8]) -> Result<(), PlanError> {
    let message = [PURPOSE, signed].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, &message, tag).map_err(|_| PlanError::Forged)
}

#[cfg(test)]
mod tests;
