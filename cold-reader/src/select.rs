//! Which blocks serve a fetch, and in how many GETs. Pure.

use segment::{Extent, Plan};

use crate::limits::{FETCH_EXTENTS_MAX, RUN_BYTES_MAX};

/// The extents that a fetch from `offset` of about `max_bytes` reads: from the
/// one that holds `offset`, at least one, as many as it takes.
pub(crate) fn serving(plan: &Plan, offset: i64, max_bytes: u64) -> &[Extent] {
    let first = plan.extents.partition_point(|extent| extent.last_offset < offset);
    let rest = &plan.extents[first..];
    let mut bytes = 0;
    let count = rest
        .iter()
        .take(FETCH_EXTENTS_MAX)
        .take_while(|extent| {
            let wanted = bytes == 0 || bytes < max_bytes;
            bytes += u64::from(extent.byte_len);
            wanted && extent.base_offset < plan.end_offset
        })
        .count();
    &rest[..count]
}

/// Groups neighbours in the same object into ranged GETs of bounded length.
pub(crate) fn runs(extents: &[Extent]) -> impl Iterator<Item = &[Extent]> {
    let mut rest = extents;
    std::iter::from_fn(move || {
        let (run, remaining) = rest.split_at(run_length(rest));
        rest = remaining;
        (!run.is_empty()).then_some(run)
    })
}

fn run_length(extents: &[Extent]) -> usize {
    let Some(first) = extents.first() else { return 0 };
    let start = first.range().start;
    let joins = |pair: &&[Extent]| {
        pair[0].location == pair[1].location
            && pair[0].range().end == pair[1].range().start
            && pair[1].range().end - start <= RUN_BYTES_MAX
    };
    1 + extents.windows(2).take_while(joins).count()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
    use segment::{Extent, Location, LogId, Plan};

    use super::{RUN_BYTES_MAX, runs, serving};

    /// One block of ten records: in a new object or not, a gap before it or not, its length.
    type Shape = (bool, bool, u32);

    fn plan(shapes: &[Shape]) -> Plan {
        let log = LogId { node: NodeId(1), generation: 1, incarnation: 1, nonce: 1 };
        let (mut slot, mut byte_offset, mut offset) = (1, 72, 0);
        let extents = shapes.iter().map(|&(new_object, gap, byte_len)| {
            if new_object {
                (slot, byte_offset) = (slot + 1, 72);
            }
            byte_offset += u64::from(gap);
            let extent = Extent {
                location: Location::Slot { log, slot },
                byte_offset,
                byte_len,
                base_offset: offset,
                last_offset: offset + 9,
                leader_epoch: 1,
                max_timestamp: 0,
            };
            offset += 10;
            byte_offset += u64::from(byte_len);
            extent
        });
        let extents: Vec<_> = extents.collect();
        let topic = TopicId::NIL;
        Plan {
            partition: PartitionId { tenant: TenantId::DEFAULT, topic, index: 0 },
            end_offset: extents.len() as i64 * 10,
            extents,
            aborted: Vec::new(),
            high_watermark: 0,
            last_stable_offset: 0,
            log_start_offset: 0,
            leader_epoch: 1,
            manifest_version: 1,
            start_offset: 0,
            made_at: std::time::Duration::ZERO,
            life: std::time::Duration::ZERO,
        }
    }

    proptest! {
        #[test]
        fn runs_cover_each_extent_once_and_stay_within_bounds(
            shapes in vec((any::<bool>(), any::<bool>(), 1..12_000_000u32), 0..40),
        ) {
            let plan = plan(&shapes);
            prop_assert_eq!(runs(&plan.extents).collect::<Vec<_>>().concat(), plan.extents.clone());
            for run in runs(&plan.extents) {
                let range = run[0].range().start..run[run.len() - 1].range().end;
                let bytes: u64 = run.iter().map(|extent| u64::from(extent.byte_len)).sum();
                prop_assert_eq!(range.end - range.start, bytes);
                prop_assert!(bytes <= RUN_BYTES_MAX || run.len() == 1);
                prop_assert!(run.iter().all(|extent| extent.location == run[0].location));
            }
        }

        #[test]
        fn the_served_extents_start_at_the_offset_and_suffice(
            shapes in vec((any::<bool>(), any::<bool>(), 1..5_000u32), 1..40),
            offset in 0..400i64, max_bytes in 0..50_000u64,
        ) {
            let plan = plan(&shapes);
            let served = serving(&plan, offset, max_bytes);
            if offset >= plan.end_offset {
                prop_assert!(served.is_empty());
                return Ok(());
            }
            prop_assert!((served[0].base_offset..=served[0].last_offset).contains(&offset));
            let bytes = |extents: &[Extent]| extents.iter().map(|extent| u64::from(extent.byte_len)).sum::<u64>();
            let last = served[served.len() - 1].last_offset;
            prop_assert!(bytes(served) >= max_bytes || last + 1 == plan.end_offset);
            prop_assert!(served.len() == 1 || bytes(&served[..served.len() - 1]) < max_bytes);
        }
    }

    #[test]
    fn nothing_is_served_behind_the_end_of_the_plan() {
        let mut plan = plan(&[(false, false, 100); 5]);
        plan.end_offset = 25;
        let served = serving(&plan, 5, u64::MAX);
        assert_eq!(served.iter().map(|extent| extent.base_offset).collect::<Vec<_>>(), [0, 10, 20]);
    }
}
