//! Latencies in buckets of about 1.6 % width: small, mergeable, exact enough for percentiles.

use std::time::Duration;

/// Buckets per power of two.
const SUB: u64 = 64;
const BUCKETS: usize = 64 * SUB as usize;

/// Counts of durations in microsecond buckets.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum_us: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, sum_us: 0 }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(us)] += 1;
        self.total += 1;
        self.sum_us += us;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.sum_us += other.sum_us;
    }

    /// The smallest latency that `share` (0 to 1) of the samples do not exceed, in milliseconds.
    pub(crate) fn percentile_ms(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return lower_edge_us(index) as f64 / 1000.0;
            }
        }
        0.0
    }

    pub(crate) fn mean_ms(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum_us as f64 / self.total as f64 / 1000.0 }
    }
}

fn bucket(us: u64) -> usize {
    if us < SUB {
        return us as usize;
    }
    let exponent = u64::from(us.ilog2()) - u64::from(SUB.ilog2());
    ((exponent + 1) * SUB + (us >> exponent) - SUB) as usize
}

fn lower_edge_us(index: usize) -> u64 {
    let index = index as u64;
    if index < SUB {
        return index;
    }
    let exponent = index / SUB - 1;
    (SUB + index % SUB) << exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_lies_in_its_own_bucket_within_two_percent() {
        for us in [0, 1, 63, 64, 65, 127, 128, 1000, 123_456, 9_999_999] {
            let edge = lower_edge_us(bucket(us));
            assert!(edge <= us && us - edge <= us / 50 + 1, "{us} {edge}");
        }
    }

    #[test]
    fn percentiles_follow_the_ranks() {
        let mut histogram = Histogram::new();
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }
        assert!((histogram.percentile_ms(0.5) - 50.0).abs() < 1.0);
        assert!((histogram.percentile_ms(0.99) - 99.0).abs() < 2.0);
        assert!((histogram.mean_ms() - 50.5).abs() < 0.1);
    }
}
