//! Sequences: a batch is out of order only if one before it is not acknowledged.

use std::collections::BTreeSet;

use super::{Class, Findings};
use crate::history::{Event, Value};

pub(super) fn check(history: &[Event], found: &mut Findings) {
    let mut unknown: BTreeSet<Value> = BTreeSet::new();
    // A producer that is refused tries again.
    let mut reported: BTreeSet<Value> = BTreeSet::new();
    for event in history {
        match event {
            Event::Sent { values, .. } => unknown.extend(values),
            Event::Acked { values, .. } => values.iter().for_each(|value| {
                unknown.remove(value);
            }),
            Event::OutOfOrder { values, partition } => {
                let first = values[0];
                let begin = Value { number: 0, ..first };
                let is_next = unknown.range(begin..first).next().is_none();
                if is_next && reported.insert(first) {
                    let what = format!("value {first} in partition {partition}");
                    found.add(Class::FalseOutOfOrder, what);
                }
            }
            _ => {}
        }
    }
}
