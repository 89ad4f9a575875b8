//! Who is responsible for a key, decided alike by everybody who knows the same candidates.
//!
//! Rendezvous hashing: each candidate draws a number from the key and its own id, and the highest
//! wins. A candidate that comes or goes moves only the keys that it wins.

use protocol::ids::{PartitionId, TenantId};

/// The candidate with the highest draw.
pub(crate) fn pick<T>(key: u64, candidates: &[T], id: impl Fn(&T) -> i32) -> Option<&T> {
    candidates.iter().max_by_key(|candidate| draw(key, id(candidate)))
}

/// All candidates, the highest draw first: whom to ask, and whom if that one is away.
pub(crate) fn ranked<T>(key: u64, mut candidates: Vec<T>, id: impl Fn(&T) -> i32) -> Vec<T> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse(draw(key, id(candidate))));
    candidates
}

/// The key of a partition.
pub(crate) fn of_partition(partition: PartitionId) -> u64 {
    let (high, low) = partition.topic.0.as_u64_pair();
    mix(high ^ mix(low ^ mix(partition.index as u64)))
}

/// The key of one stretch of a partition's offsets.
pub(crate) fn of_window(partition: PartitionId, window: i64) -> u64 {
    mix(of_partition(partition) ^ mix(window as u64))
}

/// The key of a tenant's text, such as a group's name.
pub(crate) fn of_text(tenant: TenantId, text: &str) -> u64 {
    let seed = mix(u64::from(tenant.0));
    text.bytes().fold(seed, |hash, byte| mix(hash ^ u64::from(byte)))
}

fn draw(key: u64, id: i32) -> (u64, i32) {
    // The id breaks ties, so that the order of the candidates never matters.
    (mix(key ^ mix(id as u64)), id)
}

/// Spreads neighbouring numbers over the whole range (the finaliser of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use protocol::ids::TopicId;

    use super::*;

    fn keys() -> impl Iterator<Item = u64> {
        let topic = TopicId::random();
        (0..1_000).map(move |index| of_partition(PartitionId::new(TenantId::DEFAULT, topic, index)))
    }

    #[test]
    fn keys_spread_over_the_candidates() {
        let mut counts = [0; 4];
        for key in keys() {
            counts[*pick(key, &[0, 1, 2, 3], |id| *id).unwrap() as usize] += 1;
        }
        assert!(counts.iter().all(|count| (150..350).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_windows_of_one_partition_spread_over_the_candidates() {
        let partition = PartitionId::new(TenantId::DEFAULT, TopicId::random(), 0);
        let mut counts = [0; 4];
        for window in 0..1_000 {
            let key = of_window(partition, window);
            counts[*pick(key, &[0, 1, 2, 3], |id| *id).unwrap() as usize] += 1;
        }
        assert!(counts.iter().all(|count| (150..350).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_candidate_that_goes_moves_only_its_own_keys() {
        for key in keys() {
            let before = *pick(key, &[1, 2, 3], |id| *id).unwrap();
            let after = *pick(key, &[3, 1], |id| *id).unwrap();
            assert!(before == after || before == 2);
            assert_eq!(ranked(key, vec![2, 3, 1], |id| *id)[0], before, "order does not matter");
        }
    }
}
