//! A gateway's side: which share it may use, by when control last answered it.

use std::time::Duration;

use crate::limits::{ALONE, FLOOR, LEASE};

/// When control last answered, and with what. One for all entities of a gateway: each answer says
/// everything anew.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// When the report was sent that was answered last; at first, when the gateway began.
    since: Duration,
    /// Which answer is in use.
    sequence: u64,
}

impl Lease {
    /// A gateway that begins.
    pub fn new(now: Duration) -> Self {
        Self { since: now, sequence: 0 }
    }

    /// An answer to the report that was sent at `sent` is in use from now on.
    pub fn adopt(&mut self, sequence: u64, sent: Duration) {
        self.sequence = sequence;
        self.since = self.since.max(sent);
    }

    /// The answer in use, for the next report to say.
    pub fn adopted(&self) -> u64 {
        self.sequence
    }

    /// What this one of `gateways` may use of `rate`, of which the last answer `granted` it a share
    /// or said nothing.
    pub fn share(&self, rate: f64, gateways: usize, granted: Option<f64>, now: Duration) -> f64 {
        if gateways <= 1 {
            return rate;
        }
        let equal = rate / gateways as f64;
        let granted = granted.unwrap_or(FLOOR * equal);
        let age = now.saturating_sub(self.since);
        if age < LEASE {
            granted
        } else if age < ALONE {
            granted.min(equal)
        } else {
            equal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_share_falls_before_it_rises_to_the_equal_part() {
        let mut lease = Lease::new(s(0));
        let floor = FLOOR * 25.0;
        assert_eq!(lease.share(100.0, 4, None, s(1)), floor);
        lease.adopt(7, s(10));
        assert_eq!((lease.adopted(), lease.share(100.0, 4, Some(80.0), s(12))), (7, 80.0));
        assert_eq!(lease.share(100.0, 4, Some(80.0), s(13)), 25.0);
        assert_eq!(lease.share(100.0, 4, Some(10.0), s(17)), 10.0);
        assert_eq!(lease.share(100.0, 4, Some(10.0), s(18)), 25.0);
        assert_eq!(lease.share(100.0, 4, None, s(18)), 25.0);
    }

    #[test]
    fn who_is_the_only_gateway_needs_nobody_s_leave() {
        assert_eq!(Lease::new(s(0)).share(100.0, 1, None, s(0)), 100.0);
    }
}
