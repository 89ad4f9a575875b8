//! When a gateway set is left, and for which: pure.
//!
//! ```text
//! findings ──► a verdict per set ──► for how long ──► hold-down ──► a set to go to ──► Leave
//!              two thirds of all      fail_after                    serves, not barred
//! ```
//!
//! R55: at least three vantage points, two thirds of them of one mind, a hold-down after each switch,
//! no way back without an operator. Each rule only ever keeps the active set: the cost of a wrong
//! "stay" is an alert, that of a wrong switch all clients' connections.

use std::collections::BTreeMap;
use std::time::Duration;

use metadata::gateway_sets::{ActiveSet, Cause, Findings};
use tokio::time::Instant;

/// What is configured.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) automatic: bool,
    pub(crate) vantage_points: usize,
    pub(crate) fail_after: Duration,
    pub(crate) hold_down: Duration,
    /// The sets, the preferred one first.
    pub(crate) order: Vec<String>,
}

/// How the vantage points that speak see one set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Votes {
    pub(crate) serves: usize,
    pub(crate) fails: usize,
    /// How many there are or should be, whichever is more: silence is no vote for anything.
    pub(crate) of: usize,
}

/// What the votes amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Two thirds see it serve.
    Serves,
    /// Two thirds see it fail.
    Fails,
    /// Neither.
    Disputed,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing, and why.
    Stay(Why),
    /// The active set is to be left for this one.
    Leave { to: String },
}

/// Why the active set stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It serves.
    Serves,
    /// Vantage points disagree, or too few speak.
    Disputed,
    /// It fails, not for long enough yet.
    NotYet,
    /// It fails, so soon after a switch that another would be flapping.
    HeldDown,
    /// It fails, and so does every other, or it may not be gone to without an operator.
    NowhereToGo,
    /// It fails, and only operators switch.
    Manual,
}

/// What has to be remembered between two looks.
#[derive(Debug)]
pub(crate) struct Switch {
    rules: Rules,
    /// Of each set: its verdict, and since when it is the same.
    verdicts: BTreeMap<String, (Verdict, Instant)>,
    /// The generation that was seen last, and until when it is not left.
    held: Option<(u64, Instant)>,
}

// === impl Why ===

impl Why {
    /// For people.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Serves => "the active set serves",
            Self::Disputed => "vantage points disagree, or too few speak",
            Self::NotYet => "the active set fails, not for long enough yet",
            Self::HeldDown => "the active set fails, too soon after the last switch",
            Self::NowhereToGo => "the active set fails, and there is no set to go to",
            Self::Manual => "the active set fails, and only operators switch",
        }
    }
}

// === impl Votes ===

impl Votes {
    pub(crate) fn count<'a>(
        rules: &Rules,
        set: &str,
        findings: impl Iterator<Item = &'a Findings>,
    ) -> Self {
        let mut votes = Self::default();
        let mut spoken = 0;
        for findings in findings {
            spoken += 1;
            match findings.sets.get(set) {
                Some(finding) if finding.serves => votes.serves += 1,
                Some(_) => votes.fails += 1,
                None => {}
            }
        }
        Self { of: rules.vantage_points.max(spoken), ..votes }
    }

    pub(crate) fn verdict(self) -> Verdict {
        if self.fails * 3 >= self.of * 2 {
            Verdict::Fails
        } else if self.serves * 3 >= self.of * 2 {
            Verdict::Serves
        } else {
            Verdict::Disputed
        }
    }
}

// === impl Switch ===

impl Switch {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, verdicts: BTreeMap::new(), held: None }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Looks once. `age`: how long ago the active set became that, as far as anybody knows.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        active: &ActiveSet,
        age: Duration,
        findings: &BTreeMap<String, Findings>,
    ) -> Decision {
        for set in &self.rules.order {
            let verdict = Votes::count(&self.rules, set, findings.values()).verdict();
            let held = self.verdicts.entry(set.clone()).or_insert((verdict, now));
            if held.0 != verdict {
                *held = (verdict, now);
            }
        }
        let held_until = self.held_until(now, active.generation, age);
        let Some((verdict, since)) = self.verdicts.get(&active.set).copied() else {
            // Another cluster's: its own control watches it.
            return Decision::Stay(Why::Disputed);
        };
        match verdict {
            Verdict::Serves => Decision::Stay(Why::Serves),
            Verdict::Disputed => Decision::Stay(Why::Disputed),
            Verdict::Fails if !self.rules.automatic => Decision::Stay(Why::Manual),
            Verdict::Fails if now < since + self.rules.fail_after => Decision::Stay(Why::NotYet),
            Verdict::Fails if now < held_until => Decision::Stay(Why::HeldDown),
            Verdict::Fails => match self.refuge(active) {
                Some(to) => Decision::Leave { to },
                None => Decision::Stay(Why::NowhereToGo),
            },
        }
    }

    /// What is thought of a set at the moment.
    pub(crate) fn verdict(&self, set: &str) -> Verdict {
        self.verdicts.get(set).map_or(Verdict::Disputed, |(verdict, _)| *verdict)
    }

    /// Where to go: the most preferred set that serves and was not left because it failed.
    fn refuge(&self, active: &ActiveSet) -> Option<String> {
        let may = |set: &&String| **set != active.set && !active.barred.contains(set);
        let mut sets = self.rules.order.iter().filter(may);
        sets.find(|set| self.verdict(set) == Verdict::Serves).cloned()
    }

    /// Until when the set is not left. A leader that was elected meanwhile goes on counting; a wall
    /// clock that jumped cannot make it longer than it is.
    fn held_until(&mut self, now: Instant, generation: u64, age: Duration) -> Instant {
        match self.held {
            Some((held, until)) if held == generation => until,
            _ => {
                // The first set ever was not switched to.
                let hold_down = if generation <= 1 { Duration::ZERO } else { self.rules.hold_down };
                let until = now + hold_down.saturating_sub(age);
                self.held = Some((generation, until));
                until
            }
        }
    }
}

/// The set that follows on the active one. What fails is barred; going back by hand makes good
/// again what was barred.
pub(crate) fn succeed(active: &ActiveSet, to: &str, cause: Cause, now_ms: i64) -> ActiveSet {
    let mut barred = match cause {
        Cause::Failback => Vec::new(),
        Cause::Found | Cause::Automatic | Cause::Failover => active.barred.clone(),
    };
    if matches!(cause, Cause::Automatic | Cause::Failover) && !barred.contains(&active.set) {
        barred.push(active.set.clone());
    }
    barred.retain(|set| set != to);
    ActiveSet {
        set: to.to_owned(),
        generation: active.generation + 1,
        applied: false,
        cause,
        since_ms: now_ms,
        grace_ms: active.grace_ms,
        barred,
    }
}

#[cfg(test)]
mod tests;
