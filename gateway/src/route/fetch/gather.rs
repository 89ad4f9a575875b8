//! Collects the answers of one fetch until they are enough, or its time is over.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use hop::HopError;
use metadata::settings::quota::QuotaKey;
use protocol::ErrorCode;
use protocol::fetch::{FetchPartition, FetchResponse};
use protocol::ids::{PartitionId, TopicId};
use tokio::time::{Instant, sleep, sleep_until};

use super::Terms;
use super::owners::Owners;
use super::part::Part;
use crate::context::Context;
use crate::limits::{FETCH_FIRST_PASS, FETCH_GRACE, FETCH_LAST_CALL};
use crate::metrics::ServedBy;
use crate::route::cold::{Outcome, Want};
use crate::route::sessions::Found;
use crate::route::tier::{self, Tide, Tier};
use crate::usage::Tiers;
use crate::{errors, metrics};

/// One fetch at work.
pub(super) struct Gather {
    context: Context,
    terms: Terms,
    parts: Vec<Part>,
    /// Finds a part by what an owner calls it.
    places: HashMap<(TopicId, i32), usize>,
    owners: Owners,
    under_way: FuturesUnordered<BoxFuture<'static, Event>>,
}

/// Something that was waited for.
enum Event {
    Answered {
        owner: usize,
        answer: Result<FetchResponse, HopError>,
    },
    Read {
        part: usize,
        want: Want,
        outcome: Option<Arc<Outcome>>,
    },
    /// Cold reads may go on.
    Paid {
        part: usize,
    },
}

/// What came of a fetch: one result per part, in their order.
pub(super) struct Gathered {
    pub(super) found: Vec<Found>,
    /// Whether some of the records come from a cold reader.
    pub(super) cold: bool,
}

// === impl Gather ===

impl Gather {
    pub(super) fn new(context: Context, terms: Terms, parts: Vec<Part>) -> Self {
        let places = parts.iter().enumerate().filter_map(|(at, part)| {
            let partition = part.place.as_ref()?.partition;
            Some(((partition.topic, partition.index), at))
        });
        Self {
            places: places.collect(),
            owners: Owners::of(&parts),
            context,
            terms,
            parts,
            under_way: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self) -> Gathered {
        let deadline = Instant::now() + self.terms.wait;
        self.choose_tiers();
        if !self.may_wait_at_owner() {
            self.first_pass().await;
        }
        let draining = self.context.core.drain.draining();
        let mut draining = std::pin::pin!(draining);
        while !self.is_enough() {
            if Instant::now() < deadline {
                self.ask_owners(Some(deadline));
            } else if !self.owners.any_asked() {
                break;
            }
            // Owners answer when the wait is over, not before: they get a moment more.
            let asked = self.owners.any_asked();
            let until = if asked { deadline + FETCH_LAST_CALL } else { deadline };
            tokio::select! {
                Some(event) = self.under_way.next() => self.take(event),
                () = sleep_until(until) => break,
                () = &mut draining => break,
            }
        }
        self.finish()
    }

    /// A single owner of everything can do the waiting itself, in one call.
    fn may_wait_at_owner(&self) -> bool {
        let waits = !self.terms.wait.is_zero() && self.terms.min_bytes > 0;
        waits && self.owners.is_single() && self.parts.iter().all(Part::is_hot)
    }

    /// Asks all owners for what they have, without waiting there.
    async fn first_pass(&mut self) {
        let until = Instant::now() + FETCH_FIRST_PASS;
        self.ask_owners(None);
        while self.owners.any_asked() {
            tokio::select! {
                Some(event) = self.under_way.next() => self.take(event),
                () = sleep_until(until) => break,
            }
        }
    }

    /// While a cold read is under way anything is enough: its partition alone could fill the
    /// answer, so a broker with all records at hand would not have waited either.
    fn min_bytes(&self) -> usize {
        let loading = self.parts.iter().any(Part::awaits_cold);
        if loading { self.terms.min_bytes.min(1) } else { self.terms.min_bytes }
    }

    fn is_enough(&self) -> bool {
        let bytes: usize = self.parts.iter().map(Part::bytes).sum();
        bytes >= self.min_bytes()
            || self.parts.is_empty()
            || self.parts.iter().any(Part::has_failed)
    }

    fn choose_tiers(&mut self) {
        for at in 0..self.parts.len() {
            let Some(place) = &self.parts[at].place else { continue };
            let known = self.context.core.tides.of(place.partition);
            let (core, offset) = (&self.context.core, self.parts[at].asked.fetch_offset);
            // What is not decided is in no plan: its owner is the one to wait at.
            let undecided =
                |tide: &Tide| tide.epoch == place.epoch && offset >= tide.last_stable_offset;
            if self.terms.read_committed() && known.as_ref().is_some_and(undecided) {
                continue;
            }
            let current = || core.cold.tier_before(place.partition, offset);
            let policy = core.tier_policy();
            if tier::decide(offset, place.epoch, known, policy, current) == Tier::Cold {
                self.go_cold(at);
            }
        }
    }

    /// Starts or joins the cold read of a part.
    fn go_cold(&mut self, at: usize) {
        let part = &mut self.parts[at];
        let Some(partition) = part.place.as_ref().map(|place| place.partition) else { return };
        if !part.turn(Tier::Cold) {
            return;
        }
        if let Err(error) = part.check_epoch() {
            part.fail(error);
            return;
        }
        // The tenant's bandwidth: hot partitions of the fetch do not wait for it.
        let owed = self.context.toll.owed(QuotaKey::ColdReadByteRate);
        if owed.is_zero() {
            self.read_cold(at, partition);
        } else {
            self.under_way.push(sleep(owed).map(move |()| Event::Paid { part: at }).boxed());
        }
    }

    fn read_cold(&mut self, at: usize, partition: PartitionId) {
        let part = &mut self.parts[at];
        let max_bytes = part.asked.max_bytes.clamp(0, self.terms.max_bytes as i32);
        let want = Want {
            partition,
            offset: part.asked.fetch_offset,
            read_committed: self.terms.read_committed(),
            max_bytes: self.context.core.cold.bound(max_bytes),
        };
        let Some(reading) = self.context.core.cold.start(&self.context, want) else { return };
        match reading.outcome() {
            Some(outcome) => self.take(Event::Read { part: at, want, outcome: Some(outcome) }),
            None => {
                let done = reading.done();
                let read = async move { Event::Read { part: at, want, outcome: done.await } };
                self.under_way.push(read.boxed());
            }
        }
    }

    /// Asks every owner that is not being asked for its hot parts; to wait until `deadline`, or to
    /// answer at once.
    fn ask_owners(&mut self, deadline: Option<Instant>) {
        let wait = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let wait = wait.unwrap_or_default();
        let terms = Terms { min_bytes: self.min_bytes(), ..self.terms };
        for (owner, question) in self.owners.questions(&self.parts, &terms, wait) {
            let address = self.owners.asking(owner);
            let answer = self.context.ask(address, wait + FETCH_GRACE, question);
            let answered = async move { Event::Answered { owner, answer: answer.await } };
            self.under_way.push(answered.boxed());
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Answered { owner, answer } => {
                self.owners.answered(owner);
                match answer {
                    Ok(answer) if answer.error_code == 0 => self.take_answer(answer),
                    Ok(answer) => self.fail_owner(owner, ErrorCode::from_code(answer.error_code)),
                    Err(error) => {
                        tracing::debug!(%error, "fetch call failed");
                        self.fail_owner(owner, errors::of_read(&error));
                    }
                }
            }
            Event::Read { part, want, outcome } => self.take_outcome(part, want, outcome),
            Event::Paid { part } => {
                if let Some(partition) = self.parts[part].place.as_ref().map(|p| p.partition) {
                    self.read_cold(part, partition);
                }
            }
        }
    }

    fn take_answer(&mut self, answer: FetchResponse) {
        let mut lessons = Vec::new();
        let mut moved = Vec::new();
        for topic in answer.topics {
            for mut partition in topic.partitions {
                let Some(at) = self.places.get(&(topic.id, partition.index)) else { continue };
                let part = &mut self.parts[*at];
                let Some(place) = part.place.as_ref().filter(|_| part.tier == Tier::Hot) else {
                    continue;
                };
                let refused = partition.error_code == ErrorCode::NotLeaderOrFollower.code();
                if refused && place.leaving {
                    self.context.core.takeovers.left(place.partition);
                }
                let tiered = partition.error_code == ErrorCode::OffsetMovedToTieredStorage.code();
                if tiered || partition.error_code == 0 {
                    lessons.push((place.partition, Tide::of(place.epoch, &partition)));
                }
                if tiered {
                    moved.push(*at);
                } else {
                    partition.hot_floor = -1;
                    part.answer = Some(partition);
                }
            }
        }
        self.context.core.tides.learn(lessons);
        moved.into_iter().for_each(|at| self.go_cold(at));
    }

    fn take_outcome(&mut self, at: usize, want: Want, outcome: Option<Arc<Outcome>>) {
        let part = &mut self.parts[at];
        match outcome.as_deref() {
            Some(Outcome::Records { partition, .. }) => {
                part.answer = Some(partition.clone());
                part.taken_from = Some(want);
            }
            Some(Outcome::Failed(failure)) => {
                part.answer = Some(failure.clone());
                self.context.core.cold.taken(&want);
            }
            Some(Outcome::Hot) if part.has_owner() => drop(part.turn(Tier::Hot)),
            Some(Outcome::Hot) => part.fail(ErrorCode::NotLeaderOrFollower),
            None => part.fail(ErrorCode::KafkaStorageError),
        }
    }

    fn fail_owner(&mut self, owner: usize, error: ErrorCode) {
        let node = self.owners.node(owner);
        for part in self.parts.iter_mut().filter(|part| part.is_hot() && part.is_of(node)) {
            part.fail(error);
        }
    }

    /// The answers, within the fetch's budget: the first batch always (KIP-74), then whatever still
    /// fits. What does not is fetched again, from a session that has moved on to it.
    fn finish(self) -> Gathered {
        let Self { context, terms, parts, .. } = self;
        let mut left = terms.max_bytes;
        let mut first = true;
        let mut found = Vec::with_capacity(parts.len());
        let mut given = Tiers::default();
        for part in parts {
            if part.awaits_cold() {
                metrics::cold_read_left();
            }
            let (bytes, served_by) = (part.bytes(), part.served_by());
            // What nobody answered in time keeps its offsets unknown (-1). A remembered high watermark
            // may be old, and a client that stands at it would take it for the end of the log.
            let known = part.answer.as_ref().and(part.place.as_ref());
            let known = known.and_then(|place| context.core.tides.of(place.partition));
            let Part { asked, answer, taken_from, .. } = part;
            let mut answer = answer.unwrap_or_else(|| FetchPartition::new(asked.index));
            let says_offsets = [ErrorCode::None, ErrorCode::OffsetOutOfRange]
                .contains(&ErrorCode::from_code(answer.error_code));
            if let Some(known) = known.filter(|_| says_offsets) {
                known.raise(&mut answer);
            }
            if bytes > left && !first {
                answer.records.clear();
                answer.aborted_transactions = answer.aborted_transactions.map(|_| Vec::new());
            } else if bytes > 0 {
                left = left.saturating_sub(bytes);
                first = false;
                metrics::fetched(served_by, bytes);
                match served_by {
                    ServedBy::Node => given.hot += bytes,
                    ServedBy::Reader => given.cold += bytes,
                }
                if let Some(want) = taken_from {
                    context.core.cold.taken(&want);
                }
            }
            found.push(Found { topic: asked.topic, partition: answer });
        }
        context.toll.charge(QuotaKey::ColdReadByteRate, given.cold as f64);
        context.core.usage.fetched(&context, given);
        Gathered { found, cold: given.cold > 0 }
    }
}
