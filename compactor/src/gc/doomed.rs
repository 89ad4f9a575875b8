//! Objects that were seen to be unneeded, and since when: the time of grace (R31).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use segment::Key;
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Doomed {
    grace: Duration,
    since: HashMap<Key, Instant>,
    /// Seen in this cycle.
    seen: HashSet<Key>,
}

impl Doomed {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, since: HashMap::new(), seen: HashSet::new() }
    }

    /// A cycle begins: nothing is unneeded until it is seen to be, again.
    pub(super) fn begin(&mut self) {
        self.seen.clear();
    }

    /// The object is not needed, as far as this cycle saw.
    pub(super) fn add(&mut self, key: Key) {
        self.since.entry(key.clone()).or_insert_with(Instant::now);
        self.seen.insert(key);
    }

    /// Those whose grace time is over. One that was needed again in between starts anew.
    pub(super) fn due(&mut self) -> Vec<Key> {
        let seen = &self.seen;
        self.since.retain(|key, _| seen.contains(key));
        let due = self.since.iter().filter(|(_, since)| since.elapsed() >= self.grace);
        due.map(|(key, _)| key.clone()).collect()
    }

    /// The object is gone.
    pub(super) fn forget(&mut self, key: &Key) {
        self.since.remove(key);
    }

    pub(super) fn waiting(&self) -> usize {
        self.since.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_object_goes_when_it_was_unneeded_all_through_its_grace_time() {
        let mut doomed = Doomed::new(Duration::from_secs(10));
        let (kept, gone) = (Key::from_text("d/kept"), Key::from_text("d/gone"));
        let mut cycle = |keys: &[&Key]| {
            doomed.begin();
            keys.iter().for_each(|key| doomed.add((*key).clone()));
            doomed.due()
        };
        assert!(cycle(&[&kept, &gone]).is_empty());
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(cycle(&[&gone]).is_empty(), "one is needed again");
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(cycle(&[&kept, &gone]), std::slice::from_ref(&gone));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(cycle(&[&kept]), [kept]);
    }
}
