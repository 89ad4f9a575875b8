//! Which endpoint to ask. Pure: the caller passes the time.
//!
//! The one that answered last comes first, so that a healthy cluster keeps its connections;
//! endpoints that failed lately come last, the one whose failure is oldest first. None is ever
//! left out: when all have failed, all are tried.

use tokio::time::Instant;

use crate::limits::{ETCD_FRESH, ETCD_PENALTY};

/// What is known of the endpoints.
#[derive(Debug)]
pub(super) struct Picker {
    preferred: usize,
    endpoints: Vec<Health>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    answered_at: Option<Instant>,
    failed_at: Option<Instant>,
}

impl Picker {
    /// Nothing is known yet. `first` spreads processes over the endpoints.
    pub(super) fn new(count: usize, first: usize) -> Self {
        Self { preferred: first % count.max(1), endpoints: vec![Health::default(); count] }
    }

    /// All endpoints, best first.
    pub(super) fn order(&self, now: Instant) -> Vec<usize> {
        let count = self.endpoints.len();
        let mut order: Vec<_> = (0..count).collect();
        order.sort_by_key(|&endpoint| {
            let penalty = self.endpoints[endpoint].failed_at.filter(|at| *at + ETCD_PENALTY > now);
            (penalty, (endpoint + count - self.preferred) % count)
        });
        order
    }

    /// Whether the endpoint answered so lately that it will do so again.
    pub(super) fn is_fresh(&self, endpoint: usize, now: Instant) -> bool {
        self.endpoints[endpoint].answered_at.is_some_and(|at| at + ETCD_FRESH > now)
    }

    pub(super) fn answered(&mut self, endpoint: usize, now: Instant) {
        self.endpoints[endpoint] = Health { answered_at: Some(now), failed_at: None };
        self.preferred = endpoint;
    }

    pub(super) fn failed(&mut self, endpoint: usize, now: Instant) {
        self.endpoints[endpoint] = Health { answered_at: None, failed_at: Some(now) };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const STEP: Duration = Duration::from_millis(1);

    #[test]
    fn processes_start_at_different_endpoints_and_stay() {
        let now = Instant::now();
        assert_eq!(Picker::new(3, 7).order(now), [1, 2, 0]);
        let mut picker = Picker::new(3, 0);
        picker.answered(2, now);
        assert_eq!(picker.order(now), [2, 0, 1]);
    }

    #[test]
    fn a_failed_endpoint_is_tried_last_until_its_penalty_ends() {
        let now = Instant::now();
        let mut picker = Picker::new(3, 0);
        picker.failed(0, now);
        assert_eq!(picker.order(now), [1, 2, 0]);
        picker.failed(1, now + STEP);
        assert_eq!(picker.order(now + STEP), [2, 0, 1]);
        assert_eq!(picker.order(now + ETCD_PENALTY), [0, 2, 1], "the penalty of 0 is over");
    }

    #[test]
    fn when_all_failed_all_are_tried() {
        let now = Instant::now();
        let mut picker = Picker::new(2, 0);
        picker.failed(0, now);
        picker.failed(1, now);
        assert_eq!(picker.order(now).len(), 2);
    }

    #[test]
    fn freshness_ends_with_time_and_with_a_failure() {
        let now = Instant::now();
        let mut picker = Picker::new(1, 0);
        assert!(!picker.is_fresh(0, now));
        picker.answered(0, now);
        assert!(picker.is_fresh(0, now + STEP));
        assert!(!picker.is_fresh(0, now + ETCD_FRESH));
        picker.failed(0, now + STEP);
        assert!(!picker.is_fresh(0, now + STEP));
    }
}
