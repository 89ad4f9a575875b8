//! The control leader's hand on the clients' name.
//!
//! ```text
//! every second:  findings ─► decide ─► commit c/set (not applied) ─► DNS: compare and swap ─► applied
//!                                                    ▲                        │
//!                                                    └── DNS is ahead: yield ─┘
//! ```
//!
//! A leader that dies in between leaves a switch that is decided and not applied: the next one applies
//! it. The commit proves that this process leads and that nobody changed the record since it was read
//! (R11); DNS proves that it still says what was read (R55). Where DNS is ahead of the metadata,
//! because that was rebuilt or because another cluster took the name, DNS is believed.

mod orders;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metadata::gateway_sets::{ActiveSet, Cause, Findings};
use metadata::keys::{Key, VANTAGE_POINTS};
use metadata::model::Record;
use metadata::{MetadataError, Txn};
use process::Clock;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::board::{Board, Shown, ShownSet};
use super::config::GatewaySetsConfig;
use super::content::{self, Step};
use super::orders::Order;
use super::provider::{DnsError, DnsProvider, Stamp, Swap};
use super::switch::{self, Decision, Rules, Switch, Votes, Why};
use crate::desk::Asked;
use crate::guard::{Guard, GuardError};
use crate::limits::{DNS_RECHECK_INTERVAL, SWITCH_INTERVAL};
use crate::metrics;

/// What the switcher works with.
pub(crate) struct Parts {
    pub(crate) config: GatewaySetsConfig,
    pub(crate) guard: Guard,
    pub(crate) clock: Clock,
    pub(crate) provider: Arc<dyn DnsProvider>,
    pub(crate) board: Board,
    pub(crate) orders: mpsc::Receiver<Asked<Order>>,
}

/// One leader's watch over the sets.
pub(crate) struct Switcher {
    parts: Parts,
    switch: Switch,
    /// When DNS was last seen to say what it should.
    checked: Option<Instant>,
    /// What was said last, so that each thing is said once.
    told: Option<Why>,
    dns_problem: Option<String>,
}

/// Why a look was not finished; the next one begins anew.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Dns(#[from] DnsError),
    #[error("`c/set` cannot be read: {0}")]
    Unreadable(#[from] metadata::model::DecodeError),
}

/// The record and what it was read at.
struct Read {
    active: ActiveSet,
    revision: i64,
    findings: BTreeMap<String, Findings>,
}

// === impl Switcher ===

impl Switcher {
    pub(crate) fn new(parts: Parts) -> Self {
        parts.board.clear();
        let rules = Rules {
            automatic: parts.config.automatic,
            vantage_points: parts.config.vantage_points,
            fail_after: parts.config.fail_after,
            hold_down: parts.config.hold_down,
            order: parts.config.order(),
        };
        let switch = Switch::new(rules);
        Self { parts, switch, checked: None, told: None, dns_problem: None }
    }

    /// Switches for as long as this process leads; whoever runs it ends it with the leadership.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(SWITCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let order = tokio::select! {
                _ = ticks.tick() => None,
                Some(order) = self.parts.orders.recv() => Some(order),
            };
            if let Err(error) = self.turn(order).await {
                tracing::warn!(%error, "gateway sets cannot be looked after");
            }
        }
    }

    async fn turn(&mut self, order: Option<Asked<Order>>) -> Result<(), Interrupted> {
        let Some(mut read) = self.read().await? else { return self.found().await };
        let settled = self.settle(&mut read).await;
        let age_ms = self.parts.clock.now_ms().saturating_sub(read.active.since_ms);
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        let decision = self.switch.look(Instant::now(), &read.active, age, &read.findings);
        let switched = match (order, decision) {
            (Some(order), _) => self.obey(order, &mut read).await?,
            (None, Decision::Leave { to }) if read.active.applied => {
                tracing::error!(
                    from = read.active.set,
                    to,
                    "the active gateway set fails: leaving it"
                );
                let next = self.next(&read.active, &to, Cause::Automatic);
                self.commit(&mut read, next).await?;
                metrics::switched(Cause::Automatic.name());
                true
            }
            (None, Decision::Leave { .. }) => false,
            (None, Decision::Stay(why)) => {
                self.tell(why, &read.active);
                false
            }
        };
        let settled = match switched {
            true => self.settle(&mut read).await,
            false => settled,
        };
        self.show(&read);
        settled
    }

    /// What everybody knows; `None` before there was anything.
    async fn read(&self) -> Result<Option<Read>, Interrupted> {
        let metadata = self.parts.guard.metadata();
        let Some(entry) = metadata.get(&Key::ActiveSet.to_string()).await? else { return Ok(None) };
        let active = ActiveSet::decode(&entry.value)?;
        let mut findings = BTreeMap::new();
        for entry in metadata.list(VANTAGE_POINTS).await?.entries {
            // One that cannot be read is one that is silent.
            if let Ok(found) = Findings::decode(&entry.value) {
                findings.insert(entry.key[VANTAGE_POINTS.len()..].to_owned(), found);
            }
        }
        Ok(Some(Read { active, revision: entry.mod_revision, findings }))
    }

    /// Begins: with what DNS says, or with the preferred set where it says nothing.
    async fn found(&self) -> Result<(), Interrupted> {
        let stamp = self.parts.provider.read().await?;
        let first = match &stamp {
            Some(stamp) => self.as_dns_says(stamp),
            None => self.record(self.switch.rules().order[0].clone(), 1, Cause::Found),
        };
        tracing::info!(set = first.set, generation = first.generation, "gateway sets begin");
        let txn = Txn::new().when_absent(Key::ActiveSet).put(Key::ActiveSet, first.encode());
        self.parts.guard.commit(txn).await?;
        Ok(())
    }

    /// Makes DNS say what was decided, unless it is ahead. Looks at it also when nothing is to be
    /// done, from time to time: it may have been changed by hand.
    async fn settle(&mut self, read: &mut Read) -> Result<(), Interrupted> {
        let is_fresh = |at: Instant| at.elapsed() < DNS_RECHECK_INTERVAL;
        if read.active.applied && self.checked.is_some_and(is_fresh) {
            return Ok(());
        }
        let settled = self.try_settle(read).await;
        let problem = match &settled {
            Err(Interrupted::Dns(error)) => Some(error.to_string()),
            _ => None,
        };
        metrics::dns_problem(problem.is_some());
        self.dns_problem = problem;
        settled
    }

    async fn try_settle(&mut self, read: &mut Read) -> Result<(), Interrupted> {
        let Some(content) = content::of(&self.parts.config, &read.active) else {
            // Another cluster's set: its own control keeps DNS.
            return self.follow(read).await;
        };
        let expected = match content::step(&content.stamp, self.parts.provider.read().await?) {
            Step::Nothing => return self.applied(read).await,
            Step::Yield(stamp) => return self.give_way(read, &stamp).await,
            Step::Replace(expected) => expected,
        };
        let before = expected.as_ref().map(ToString::to_string).unwrap_or_default();
        match self.parts.provider.replace(expected.as_ref(), &content).await? {
            Swap::Done => {
                let now = content.stamp.to_string();
                tracing::warn!(before, now, "DNS was changed");
                self.applied(read).await
            }
            // Somebody was faster: the next look sees who.
            Swap::Conflict => Ok(()),
        }
    }

    async fn follow(&mut self, read: &mut Read) -> Result<(), Interrupted> {
        match self.parts.provider.read().await? {
            Some(stamp) if stamp.generation > read.active.generation => {
                self.give_way(read, &stamp).await
            }
            _ => {
                self.checked = Some(Instant::now());
                Ok(())
            }
        }
    }

    async fn applied(&mut self, read: &mut Read) -> Result<(), Interrupted> {
        if !read.active.applied {
            let next = ActiveSet { applied: true, ..read.active.clone() };
            self.commit(read, next).await?;
        }
        self.checked = Some(Instant::now());
        Ok(())
    }

    async fn give_way(&mut self, read: &mut Read, stamp: &Stamp) -> Result<(), Interrupted> {
        tracing::error!(%stamp, ours = read.active.generation, "somebody else switched: following DNS");
        let next = ActiveSet { barred: read.active.barred.clone(), ..self.as_dns_says(stamp) };
        self.commit(read, next).await?;
        self.checked = Some(Instant::now());
        Ok(())
    }

    async fn commit(&self, read: &mut Read, next: ActiveSet) -> Result<(), GuardError> {
        let txn =
            Txn::new().when_mod(Key::ActiveSet, read.revision).put(Key::ActiveSet, next.encode());
        read.revision = self.parts.guard.commit(txn).await?;
        read.active = next;
        Ok(())
    }

    fn next(&self, active: &ActiveSet, to: &str, cause: Cause) -> ActiveSet {
        let next = switch::succeed(active, to, cause, self.parts.clock.now_ms());
        ActiveSet { grace_ms: self.grace_ms(), ..next }
    }

    fn as_dns_says(&self, stamp: &Stamp) -> ActiveSet {
        let record = self.record(stamp.set.clone(), stamp.generation, Cause::Found);
        ActiveSet { applied: true, ..record }
    }

    fn record(&self, set: String, generation: u64, cause: Cause) -> ActiveSet {
        ActiveSet {
            set,
            generation,
            applied: false,
            cause,
            since_ms: self.parts.clock.now_ms(),
            grace_ms: self.grace_ms(),
            barred: Vec::new(),
        }
    }

    fn grace_ms(&self) -> u64 {
        u64::try_from(self.parts.config.grace().as_millis()).unwrap_or(u64::MAX)
    }

    fn tell(&mut self, why: Why, active: &ActiveSet) {
        if self.told.replace(why) == Some(why) {
            return;
        }
        match why {
            Why::Serves => tracing::info!(set = active.set, "the active gateway set serves"),
            _ => tracing::warn!(set = active.set, ?why, "the active gateway set stays"),
        }
    }

    fn show(&self, read: &Read) {
        let shown = |name: &String| {
            let problems = read.findings.iter().filter_map(|(vantage, found)| {
                let finding = found.sets.get(name).filter(|finding| !finding.serves)?;
                Some((vantage.clone(), finding.problem.clone()))
            });
            ShownSet {
                name: name.clone(),
                verdict: self.switch.verdict(name),
                votes: Votes::count(self.switch.rules(), name, read.findings.values()),
                problems: problems.collect(),
            }
        };
        let sets: Vec<_> = self.switch.rules().order.iter().map(shown).collect();
        let stuck = self.told.is_some_and(|why| why == Why::NowhereToGo || why == Why::Manual);
        metrics::gateway_sets(&read.active, &sets, read.findings.len(), stuck);
        self.parts.board.show(Shown {
            standing: self.told.map_or_else(String::new, |why| why.text().to_owned()),
            active: read.active.clone(),
            dns_problem: self.dns_problem.clone(),
            sets,
        });
    }
}

#[cfg(test)]
mod tests;
