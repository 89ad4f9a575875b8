//! How a rate is divided.

/// Divides `pool` by demand: everybody gets what it wants and an equal part of what is left over,
/// or, if there is not enough, a part like its demand among all demands.
///
/// Demand is what was used and what is owed by those who wait. A gateway with forty connections
/// owes forty times as much as one with one, so connections of different gateways come to be
/// served alike, without anybody counting them.
pub(crate) fn part(pool: f64, demand: f64, others: f64, among: usize) -> f64 {
    let all = demand + others;
    if all <= pool {
        return demand + (pool - all) / among.max(1) as f64;
    }
    pool * demand / all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plenty_is_shared_alike_and_want_by_demand() {
        assert_eq!(part(100.0, 10.0, 30.0, 2), 40.0);
        assert_eq!(part(100.0, 300.0, 100.0, 2), 75.0);
        assert_eq!(part(100.0, 0.0, 0.0, 4), 25.0);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_pool(pool in 1.0..1e9f64, demands in prop::collection::vec(0.0..1e9f64, 1..9)) {
            let all: f64 = demands.iter().sum();
            let parts = demands.iter().map(|demand| part(pool, *demand, all - demand, demands.len()));
            let sum: f64 = parts.sum();
            prop_assert!((sum - pool).abs() <= pool * 1e-6, "{sum} of {pool}");
        }
    }
}
