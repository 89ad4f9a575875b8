//! What one reader sees in one go: every offset once, in order, and watermarks that only grow.

use std::collections::BTreeMap;

use super::{Class, Findings};
use crate::history::{Event, Reader};

pub(super) fn check(history: &[Event], found: &mut Findings) {
    let mut positions: BTreeMap<(Reader, i32), i64> = BTreeMap::new();
    let mut marks: BTreeMap<(u32, i32), (i64, i64)> = BTreeMap::new();
    for event in history {
        match event {
            Event::Read { reader, partition, offset, .. } => {
                let before = positions.insert((*reader, *partition), *offset);
                let Some(before) = before.filter(|before| before + 1 != *offset) else { continue };
                let class = if *offset > before { Class::Skipped } else { Class::Backward };
                let what = format!("{reader:?}, partition {partition}: {offset} after {before}");
                found.add(class, what);
            }
            Event::Reset { reader, partition, offset } => {
                positions.insert((*reader, *partition), offset - 1);
            }
            Event::Marks { reader, partition, high_watermark, log_start } => {
                let now = (*high_watermark, *log_start);
                let before = marks.insert((reader.id, *partition), now).unwrap_or(now);
                if before.0 > now.0 || before.1 > now.1 {
                    let what = format!(
                        "reader {}, partition {partition}: {now:?} after {before:?}",
                        reader.id
                    );
                    found.add(Class::WatermarkBack, what);
                }
            }
            _ => {}
        }
    }
}
