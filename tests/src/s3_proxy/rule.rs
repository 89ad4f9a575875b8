//! Which requests fail, and how.

use std::time::Duration;

use hyper::Method;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is forwarded this much later.
    Delay(Duration),
    /// `503 SlowDown`, nothing is applied.
    SlowDown,
    /// The connection is closed, nothing is applied.
    Refuse,
    /// It is applied, and the connection closed instead of an answer.
    LoseAnswer,
    /// The connection is closed, and it is applied this much later.
    ApplyLater(Duration),
    /// `409 ConditionalRequestConflict`, nothing is applied.
    Conflict,
    /// Half of the answer's body, under a matching length.
    Cut,
    /// The answer's body with one bit changed.
    Flip,
    /// `404 NoSuchKey`, whatever is there.
    Missing,
    /// `403 AccessDenied`.
    Denied,
    /// `403 ExpiredToken`.
    Expired,
    /// The answer's `Date` says so much later.
    Later(Duration),
    /// A `412` is answered as `200`: of two writers of one key both have won.
    TwoWinners,
}

/// Requests that a rule may hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Every request.
    All,
    /// PUTs, also of parts.
    Puts,
    /// What changes the bucket.
    Writes,
    /// Reads of objects whose key has this in it; listings are none.
    GetsOf(&'static str),
    /// The last step of a multipart upload.
    Completes,
}

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it may hit.
    pub which: Which,
    /// What share of that it hits, 0 to 1.
    pub share: f64,
    /// What happens then.
    pub fault: Fault,
}

impl Rule {
    /// A rule that hits everything it may.
    pub fn always(which: Which, fault: Fault) -> Self {
        Self { which, share: 1.0, fault }
    }

    /// A rule that hits a share.
    pub fn sometimes(which: Which, share: f64, fault: Fault) -> Self {
        Self { which, share, fault }
    }
}

impl Which {
    fn has(self, method: &Method, uri: &str) -> bool {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        match self {
            Self::All => true,
            Self::Puts => method == Method::PUT,
            Self::Writes => method != Method::GET && method != Method::HEAD,
            Self::GetsOf(part) => {
                method == Method::GET && !query.contains("list-type") && path.contains(part)
            }
            Self::Completes => method == Method::POST && query.contains("uploadId"),
        }
    }
}

/// The rules in force, each with what it is still owed.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<(Rule, f64)>,
    hits: u64,
}

impl Rules {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        // The first request is hit: a rule that never had its turn would prove nothing.
        Self { rules: rules.into_iter().map(|rule| (rule, 1.0 - rule.share)).collect(), hits: 0 }
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits
    }

    /// What happens to a request: the first rule whose turn it is.
    pub(super) fn judge(&mut self, method: &Method, uri: &str) -> Option<Fault> {
        for (rule, owed) in &mut self.rules {
            if !rule.which.has(method, uri) {
                continue;
            }
            *owed += rule.share;
            // Shares as 0.1 add up to a little less than 1.
            if *owed > 0.999_999 {
                *owed -= 1.0;
                self.hits += 1;
                return Some(rule.fault);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(rules: &mut Rules, method: Method, uri: &str) -> Option<Fault> {
        rules.judge(&method, uri)
    }

    #[test]
    fn a_share_is_counted_and_not_drawn() {
        let mut rules = Rules::new(vec![Rule::sometimes(Which::Puts, 0.2, Fault::SlowDown)]);
        let hits: Vec<bool> =
            (0..50).map(|_| judge(&mut rules, Method::PUT, "/b/k").is_some()).collect();
        assert_eq!(hits.iter().filter(|hit| **hit).count(), 10);
        assert_eq!(&hits[..6], [true, false, false, false, false, true]);
        assert_eq!(judge(&mut rules, Method::GET, "/b/k"), None);
        assert_eq!(rules.hits(), 10);
    }

    #[test]
    fn requests_are_told_apart() {
        let hit = |which, method, uri| {
            judge(&mut Rules::new(vec![Rule::always(which, Fault::Refuse)]), method, uri).is_some()
        };
        assert!(hit(Which::Writes, Method::DELETE, "/b/k"));
        assert!(!hit(Which::Writes, Method::HEAD, "/b/k"));
        assert!(hit(Which::GetsOf("/l/"), Method::GET, "/b/test/l/aa/1-1-1-f/000000000001"));
        assert!(!hit(Which::GetsOf("/l/"), Method::GET, "/b/?list-type=2&prefix=test/l/"));
        assert!(!hit(Which::GetsOf("/l/"), Method::PUT, "/b/test/l/x"));
        assert!(hit(Which::Completes, Method::POST, "/b/k?uploadId=7"));
        assert!(!hit(Which::Completes, Method::POST, "/b/k?uploads"));
    }
}
