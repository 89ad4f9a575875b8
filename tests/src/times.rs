//! Distributions of times, as the result files show them.

use serde_json::{Value, json};

/// 50th and 99th percentile and maximum, each a time that occurred; null without any.
pub(crate) fn json(mut times: Vec<i64>) -> Value {
    times.sort_unstable();
    let Some(max) = times.last() else { return Value::Null };
    let at = |share: usize| times[(times.len() * share).div_ceil(100).max(1) - 1];
    json!({"p50": at(50), "p99": at(99), "max": max})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(json(Vec::new()), Value::Null);
        assert_eq!(json(vec![7]), json!({"p50": 7, "p99": 7, "max": 7}));
        let times = json((1..=200).rev().collect());
        assert_eq!(times, json!({"p50": 100, "p99": 198, "max": 200}));
    }
}
