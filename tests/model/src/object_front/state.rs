//! The state of the object front: store, manifest, nodes, messages, promises.

use std::collections::BTreeSet;

use crate::seq_log::SeqLog;

/// Incarnations of nodes: two successions, and with a third log room for two that race.
pub const INCARNATIONS: usize = 3;

/// Everything there is, as one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) logs: [SeqLog<u8>; INCARNATIONS],
    pub(super) manifest: Manifest,
    pub(super) nodes: [Node; INCARNATIONS],
    pub(super) network: Network,
    /// What producers were promised: (offset, value).
    pub(super) acked: BTreeSet<(u8, u8)>,
    /// Values are numbered from 1; this is the last one handed out.
    pub(super) last_value: u8,
}

/// The partition's manifest in the object store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Manifest {
    /// Owners in turn. Its length is the version that a claim compares.
    pub(super) chain: Vec<Link>,
    /// Links at the front of the chain whose records are in `compacted`.
    pub(super) links_compacted: usize,
    /// The records of the compacted objects, by offset.
    pub(super) compacted: Vec<u8>,
}

/// One owner in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) log: usize,
    /// Offset of the log's first record.
    pub(super) start: u8,
}

/// One incarnation of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) role: Role,
    /// Offset of its first record, once it is an owner.
    pub(super) start: u8,
    /// What it sent, by slot.
    pub(super) pipeline: Vec<Record>,
}

/// What a node takes itself for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Has not owned the partition.
    Standby,
    /// Has read the manifest at a version, and from the logs where its records would start.
    Claiming { version: usize, start: u8 },
    /// Believes to own the partition, for ever unless a slot tells otherwise.
    Owner,
    /// Has found END or foreign bytes in its log.
    Fenced,
}

/// A record as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) value: u8,
    pub(super) durable: bool,
    pub(super) acked: bool,
}

/// A conditional PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Put {
    /// The log, and the node that sent it.
    pub log: usize,
    /// The slot it wants.
    pub slot: u8,
    /// The bytes.
    pub value: u8,
}

/// Messages. Nothing ever leaves, so everything may be late, doubled or never arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Network {
    pub(super) sent: BTreeSet<Put>,
    /// PUTs answered with 200.
    pub(super) created: BTreeSet<Put>,
    /// Slots, by log, of PUTs answered with 412.
    pub(super) refused: BTreeSet<(usize, u8)>,
}

impl State {
    /// Node 0 owns the empty partition, the others stand by.
    pub(super) fn first_owner() -> Self {
        let node = |number| Node {
            role: if number == 0 { Role::Owner } else { Role::Standby },
            start: 0,
            pipeline: Vec::new(),
        };
        Self {
            logs: std::array::from_fn(|_| SeqLog::new()),
            manifest: Manifest {
                chain: vec![Link { log: 0, start: 0 }],
                links_compacted: 0,
                compacted: Vec::new(),
            },
            nodes: std::array::from_fn(node),
            network: Network::default(),
            acked: BTreeSet::new(),
            last_value: 0,
        }
    }

    pub(super) fn record_mut(&mut self, node: usize, slot: u8) -> &mut Record {
        &mut self.nodes[node].pipeline[usize::from(slot)]
    }

    /// What a consumer reads from offset 0, or `None` if the manifest's links do not meet.
    pub(super) fn partition(&self) -> Option<Vec<u8>> {
        let mut values = self.manifest.compacted.clone();
        for link in &self.manifest.chain[self.manifest.links_compacted..] {
            if usize::from(link.start) != values.len() {
                return None;
            }
            values.extend(self.logs[link.log].data());
        }
        Some(values)
    }
}

impl Manifest {
    pub(super) fn owner(&self) -> Link {
        *self.chain.last().expect("the chain starts with node 0 and never empties")
    }
}
