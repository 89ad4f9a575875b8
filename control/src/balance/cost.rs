//! What a partition costs the node that has it: one number, so that nodes can be compared. Pure.
//!
//! It is in bytes per second. Bytes in and out count as they are, a request as much as the bytes
//! that take as long, and every partition has a base: its checks, its place in memory, its share of
//! each roll-over. CPU is not in it, for nobody measures it by partition; it follows from these.

use hop::internal::Traffic;

/// A request's fixed work in bytes: at 4 KiB a batch costs about twice what its bytes do.
const REQUEST_BYTES: u64 = 4 << 10;

/// An idle partition's cost in a cluster without traffic.
const BASE_MIN: u64 = 1 << 10;

/// An idle partition's cost as a share of the mean traffic: ten idle ones weigh as much as one of
/// the others, so that nobody has all of the idle ones.
const BASE_SHARE: u64 = 10;

/// Binary digits of a cost that count. Partitions with about the same traffic cost exactly the same:
/// then topics decide which of them goes, and noise decides nothing.
const DIGITS: u32 = 5;

/// The cost of each partition, given what is known of its traffic. One of which nothing is known is
/// taken for an average one.
pub(crate) fn costs(traffic: &[Option<Traffic>]) -> Vec<u64> {
    let bytes: Vec<Option<u64>> = traffic.iter().map(|it| it.map(weigh)).collect();
    let known: Vec<u64> = bytes.iter().flatten().copied().collect();
    let total = known.iter().fold(0, |sum: u64, cost| sum.saturating_add(*cost));
    let mean = total.checked_div(known.len() as u64).unwrap_or(0);
    let base = (mean / BASE_SHARE).max(BASE_MIN);
    bytes.iter().map(|cost| rounded(cost.unwrap_or(mean).saturating_add(base))).collect()
}

fn weigh(traffic: Traffic) -> u64 {
    let requests = traffic.requests.saturating_mul(REQUEST_BYTES);
    traffic.bytes_in.saturating_add(traffic.bytes_out).saturating_add(requests)
}

fn rounded(cost: u64) -> u64 {
    let digits = u64::BITS - cost.leading_zeros();
    let dropped = digits.saturating_sub(DIGITS);
    let half = (1 << dropped) >> 1;
    (cost.saturating_add(half) >> dropped) << dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(bytes_in: u64) -> Option<Traffic> {
        Some(Traffic { bytes_in, ..Traffic::default() })
    }

    #[test]
    fn idle_partitions_cost_the_same_and_something() {
        let costs = costs(&[traffic(0), None, traffic(0)]);
        assert!(costs.iter().all(|cost| *cost == costs[0] && *cost > 0), "{costs:?}");
    }

    #[test]
    fn an_unknown_partition_is_an_average_one_and_ten_idle_ones_are_about_one() {
        let costs =
            costs(&[traffic(1 << 20), traffic(3 << 20), traffic(2 << 20), None, traffic(0)]);
        assert_eq!(costs[3], rounded((6 << 20) / 4 + (6 << 20) / 40));
        assert!(costs[4] * 8 < costs[3] && costs[4] * 14 > costs[3], "{costs:?}");
    }

    #[test]
    fn noise_is_rounded_off_and_order_is_kept() {
        assert_eq!(rounded(1_000_000), rounded(1_005_000));
        assert!(rounded(1_000_000) < rounded(1_100_000));
        for cost in [0, 1, 31, 32, 1_000, 123_456_789, u64::MAX >> 1] {
            assert!(rounded(cost).abs_diff(cost) <= cost / 32, "{cost}");
        }
    }

    #[test]
    fn requests_count() {
        let small = Traffic { bytes_in: 100_000, bytes_out: 0, requests: 1_000 };
        let large = Traffic { requests: 1, ..small };
        let costs = costs(&[Some(small), Some(large)]);
        assert!(costs[0] > 5 * costs[1], "{costs:?}");
    }
}
