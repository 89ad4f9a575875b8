//! Committed offsets: what the coordinator has said stays said.
//!
//! A group of the workload has one client, which commits growing offsets, one after the
//! other. A commit that was not answered may be carried out at any time, or never.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Findings};
use crate::history::Event;

/// How far a group is, as its client knows it.
#[derive(Default)]
struct Progress {
    /// The coordinator said so last.
    said: Option<i64>,
    /// Not answered.
    open: BTreeSet<i64>,
}

pub(super) fn check(history: &[Event], found: &mut Findings) {
    let mut groups: BTreeMap<(u32, i32), Progress> = BTreeMap::new();
    for event in history {
        match event {
            Event::Committed { group, partition, offset, acked } => {
                let progress = groups.entry((*group, *partition)).or_default();
                if *acked {
                    progress.open.remove(offset);
                    progress.said = Some(*offset);
                } else {
                    progress.open.insert(*offset);
                }
            }
            Event::Fetched { group, partition, offset } => {
                let progress = groups.entry((*group, *partition)).or_default();
                let said = progress.said.unwrap_or(-1);
                if *offset != said && !progress.open.contains(offset) {
                    let what =
                        format!("group {group}, partition {partition}: {offset} after {said}");
                    found.add(Class::CommitBack, what);
                }
                progress.said = Some(*offset);
            }
            _ => {}
        }
    }
}
