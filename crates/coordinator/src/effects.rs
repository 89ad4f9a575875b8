//! What a group may do to the world around it while it carries out a command.

use protocol::StrBytes;
use uuid::Builder;

use crate::command::{Outputs, Reply, Token};
use crate::config::Config;
use crate::ledger::Ledger;
use crate::record::{GroupKey, Record};
use crate::timers::{Timer, Timers};

/// The coordinator's parts that a group acts upon, lent to it for one step.
pub(crate) struct Effects<'a> {
    pub(crate) now_ms: i64,
    pub(crate) config: &'a Config,
    pub(crate) timers: &'a mut Timers,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) member_ids: &'a mut MemberIds,
    pub(crate) out: &'a mut Outputs,
}

impl Effects<'_> {
    /// Makes `record` part of the state and of the log.
    pub(crate) fn emit(&mut self, record: Record) {
        self.ledger.apply(&record);
        self.out.records.push(record);
    }

    pub(crate) fn reply(&mut self, token: Token, reply: Reply) {
        self.out.replies.push((token, reply));
    }

    pub(crate) fn arm(&mut self, timer: Timer, delay_ms: i32) {
        self.timers.arm(timer, self.now_ms, i64::from(delay_ms));
    }

    /// The generation after every one that a member of this group was ever told.
    pub(crate) fn next_generation(&self, key: &GroupKey) -> i32 {
        let promised = self.ledger.get(key).map_or(0, |ledger| ledger.generation_promised);
        // Two billion rebalances of one group take centuries; stuck at the top is still fenced by
        // the member ids.
        promised.saturating_add(1)
    }
}

/// Makes member ids: what the client calls itself, then a UUID.
///
/// The UUIDs come from a seeded generator (SplitMix64), so that a run can be repeated. They must be
/// unlike those of other incarnations, not secret: who may speak for a group is decided before.
#[derive(Debug)]
pub(crate) struct MemberIds {
    state: u64,
}

impl MemberIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self, prefix: &str) -> StrBytes {
        format!("{prefix}-{}", self.next_uuid()).into()
    }

    /// An id without a client's name in front, as members of consumer groups have them.
    pub(crate) fn next_uuid(&mut self) -> StrBytes {
        let bits = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
        Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string().into()
    }

    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_ids_differ_and_repeat_with_their_seed() {
        let mut ids = MemberIds::new(7);
        let first = ids.next("client");
        assert!(first.starts_with("client-"));
        assert_eq!(first.len(), "client-".len() + 36);
        assert_ne!(first, ids.next("client"));
        assert_eq!(first, MemberIds::new(7).next("client"));
        assert_ne!(first, MemberIds::new(8).next("client"));
    }
}
