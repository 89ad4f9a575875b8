//! Gateway sets: which one the clients' name stands for, and what vantage points find of each.
//!
//! The active set is written by the control leader alone, in a transaction that proves that it leads
//! (R11), and its generation only grows: it is the same number that stands beside the addresses in
//! DNS (R55). Findings are hints under a lease; whoever falls silent has no voice.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use crate::model::wire::record;
use crate::model::{DecodeError, Record, open, seal};

/// Why a set became the active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was the first, or what DNS said when nobody knew.
    Found,
    /// The one before failed.
    Automatic,
    /// An operator left the one before.
    Failover,
    /// An operator went back to the preferred one.
    Failback,
}

/// The gateway set that the clients' name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveSet {
    /// The set's name; perhaps none of this cluster's, after another one took over.
    pub set: String,
    /// Counts the switches.
    pub generation: u64,
    /// Whether DNS says so too. Until then clients go where they went before.
    pub applied: bool,
    /// Why.
    pub cause: Cause,
    /// Since when, in Unix milliseconds.
    pub since_ms: i64,
    /// How long clients may remember the addresses of the set before: its gateways go on serving
    /// for so long.
    pub grace_ms: u64,
    /// Sets that were left because they failed. Nobody goes back to them but an operator.
    pub barred: Vec<String>,
}

/// What one vantage point finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Where it stands.
    pub zone: String,
    /// By the names of the sets.
    pub sets: BTreeMap<String, Finding>,
}

/// What one vantage point finds of one set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// A record was produced and fetched through it.
    pub serves: bool,
    /// Why not.
    pub problem: String,
}

record! {
    ActiveSet as WireActiveSet {
        #[prost(string, tag = "1")] set: String,
        #[prost(uint64, tag = "2")] generation: u64,
        #[prost(bool, tag = "3")] applied: bool,
        #[prost(enumeration = "WireCause", tag = "4")] cause: i32,
        #[prost(int64, tag = "5")] since_ms: i64,
        #[prost(uint64, tag = "6")] grace_ms: u64,
        #[prost(string, repeated, tag = "7")] barred: Vec<String>,
    }
    to: |record| WireActiveSet {
        set: record.set.clone(),
        generation: record.generation,
        applied: record.applied,
        cause: WireCause::from(record.cause) as i32,
        since_ms: record.since_ms,
        grace_ms: record.grace_ms,
        barred: record.barred.clone(),
    };
    from: |wire| Ok(Self {
        cause: cause(wire.cause)?,
        set: wire.set,
        generation: wire.generation,
        applied: wire.applied,
        since_ms: wire.since_ms,
        grace_ms: wire.grace_ms,
        barred: wire.barred,
    });
}

record! {
    Findings as WireFindings {
        #[prost(string, tag = "1")] zone: String,
        #[prost(btree_map = "string, message", tag = "2")] sets: BTreeMap<String, WireFinding>,
    }
    to: |record| WireFindings {
        zone: record.zone.clone(),
        sets: record.sets.iter().map(|(set, found)| (set.clone(), found.into())).collect(),
    };
    from: |wire| Ok(Self {
        zone: wire.zone,
        sets: wire.sets.into_iter().map(|(set, found)| (set, found.into())).collect(),
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum WireCause {
    // 0 is what a message without the field says: never a cause.
    Unspecified = 0,
    Found = 1,
    Automatic = 2,
    Failover = 3,
    Failback = 4,
}

#[derive(Clone, PartialEq, Message)]
struct WireFinding {
    #[prost(bool, tag = "1")]
    serves: bool,
    #[prost(string, tag = "2")]
    problem: String,
}

impl From<Cause> for WireCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Found => Self::Found,
            Cause::Automatic => Self::Automatic,
            Cause::Failover => Self::Failover,
            Cause::Failback => Self::Failback,
        }
    }
}

fn cause(value: i32) -> Result<Cause, String> {
    match WireCause::try_from(value) {
        Ok(WireCause::Found) => Ok(Cause::Found),
        Ok(WireCause::Automatic) => Ok(Cause::Automatic),
        Ok(WireCause::Failover) => Ok(Cause::Failover),
        Ok(WireCause::Failback) => Ok(Cause::Failback),
        Ok(WireCause::Unspecified) | Err(_) => Err(format!("cause {value}")),
    }
}

impl From<&Finding> for WireFinding {
    fn from(finding: &Finding) -> Self {
        Self { serves: finding.serves, problem: finding.problem.clone() }
    }
}

impl From<WireFinding> for Finding {
    fn from(wire: WireFinding) -> Self {
        Self { serves: wire.serves, problem: wire.problem }
    }
}

// === impl Cause ===

impl Cause {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Automatic => "automatic",
            Self::Failover => "failover",
            Self::Failback => "failback",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let active = ActiveSet {
            set: "standby".to_owned(),
            generation: 7,
            applied: true,
            cause: Cause::Automatic,
            since_ms: 1_700_000_000_000,
            grace_ms: 40_000,
            barred: vec!["primary".to_owned()],
        };
        assert_eq!(ActiveSet::decode(&active.encode()), Ok(active));
        let found = Finding { serves: false, problem: "refused".to_owned() };
        let sets = [("primary".to_owned(), found)].into();
        let findings = Findings { zone: "a".to_owned(), sets };
        assert_eq!(Findings::decode(&findings.encode()), Ok(findings));
    }
}
