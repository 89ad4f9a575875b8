//! What one request costs, and how long its sender is to wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metadata::settings::quota::QuotaKey;
use parking_lot::Mutex;
use protocol::response::ClientResponse;
use quota::Ticket;
use tokio::time::Instant;

use super::{Account, Sender};
use crate::metrics;

/// One request's cost. Cheap to clone, and nothing for senders without quotas.
#[derive(Debug, Clone, Default)]
pub(crate) struct Toll(Option<Arc<Request>>);

#[derive(Debug)]
struct Request {
    sender: Arc<Sender>,
    /// Whether nothing of its kind came by its connection before.
    is_new: bool,
    /// Nanoseconds that threads have worked on it.
    worked: AtomicU64,
    mute: Mutex<Mute>,
}

/// What a connection must have paid before it is read from again (KIP-219). The places in the
/// queues of the accounts stay what they are; how long it takes may change with the shares.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mute {
    owed: Vec<(Arc<Account>, Ticket)>,
    /// What control said: its quotas are not kept here.
    until: Option<Instant>,
}

// === impl Toll ===

impl Toll {
    /// The toll of a request that `sender` pays for.
    pub(crate) fn new(sender: Option<Arc<Sender>>, is_new: bool) -> Self {
        let (worked, mute) = (AtomicU64::new(0), Mutex::default());
        Self(sender.map(|sender| Arc::new(Request { sender, is_new, worked, mute })))
    }

    /// Charges units of one key; the connection is not read from before they are paid.
    pub(crate) fn charge(&self, key: QuotaKey, units: f64) {
        let Some(request) = self.0.as_ref().filter(|_| units > 0.0) else { return };
        for account in request.sender.accounts(key) {
            let ticket = account.charge(units);
            // For cold reads the next cold read waits, not the connection: what is hot goes on.
            if key != QuotaKey::ColdReadByteRate {
                request.mute.lock().add(account, ticket);
            }
        }
    }

    /// Does a piece of the request's work, and counts its time if that is anybody's business.
    pub(crate) fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(request) = &self.0 else { return work() };
        let begun = Instant::now();
        let done = work();
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        request.worked.fetch_add(nanos, Ordering::Relaxed);
        done
    }

    /// Whether the sender has to queue before it is given anything: its connection is new, others
    /// were charged before it came, and have not paid. Or whoever opens connections fast enough
    /// would wait for nothing (R64).
    pub(crate) fn queues(&self, key: QuotaKey) -> bool {
        let Some(request) = self.0.as_ref().filter(|request| request.is_new) else { return false };
        let mut queues = false;
        for account in request.sender.accounts(key) {
            let ticket = account.last();
            if !account.wait(ticket).is_zero() {
                request.mute.lock().add(account, ticket);
                queues = true;
            }
        }
        queues
    }

    /// How long until nothing of a key is owed by anybody it concerns.
    pub(crate) fn owed(&self, key: QuotaKey) -> Duration {
        let accounts = self.0.iter().flat_map(|request| request.sender.accounts(key));
        accounts.map(|account| account.wait(account.last())).max().unwrap_or_default()
    }

    /// Units of a key that may be asked for at once: those of a second.
    pub(crate) fn at_once(&self, key: QuotaKey) -> Option<usize> {
        let accounts = self.0.iter().flat_map(|request| request.sender.accounts(key));
        let least = accounts.map(|account| account.share()).reduce(f64::min)?;
        Some((least as usize).max(1))
    }

    /// Charges what the answer costs, and tells the client how long it has to wait.
    pub(crate) fn settle(&self, answer: &mut ClientResponse) {
        let Some(request) = &self.0 else { return };
        if let ClientResponse::Fetch(fetch) = answer {
            let partitions = fetch.topics.iter().flat_map(|topic| &topic.partitions);
            let bytes: usize = partitions.map(|partition| partition.records_len()).sum();
            self.charge(QuotaKey::ConsumerByteRate, bytes as f64);
        }
        self.charge_work();
        let wait = request.mute.lock().expected_wait();
        let told = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        if told > answer.throttle_time_ms() {
            answer.set_throttle_time_ms(told);
        }
    }

    /// Ends the request: what its connection has to wait for.
    pub(crate) fn close(&self) -> Mute {
        let Some(request) = &self.0 else { return Mute::default() };
        self.charge_work();
        let mute = std::mem::take(&mut *request.mute.lock());
        mute.count();
        mute
    }

    fn charge_work(&self) {
        let Some(request) = &self.0 else { return };
        let nanos = request.worked.swap(0, Ordering::Relaxed);
        // A percentage is one of a thread's time.
        let percent_seconds = 100.0 * Duration::from_nanos(nanos).as_secs_f64();
        self.charge(QuotaKey::RequestPercentage, percent_seconds);
    }
}

// === impl Mute ===

impl Mute {
    /// A pause of so many milliseconds.
    pub(crate) fn of_milliseconds(milliseconds: i32) -> Self {
        let pause = u64::try_from(milliseconds).ok().filter(|milliseconds| *milliseconds > 0);
        let until = pause.map(|milliseconds| Instant::now() + Duration::from_millis(milliseconds));
        Self { owed: Vec::new(), until }
    }

    /// Of two charges to one account the later one counts.
    fn add(&mut self, account: &Arc<Account>, ticket: Ticket) {
        match self.owed.iter_mut().find(|(known, _)| Arc::ptr_eq(known, account)) {
            Some((_, present)) if *present >= ticket => {}
            Some((_, present)) => *present = ticket,
            None => self.owed.push((Arc::clone(account), ticket)),
        }
    }

    /// Takes in another mute of the same connection.
    pub(crate) fn merge(&mut self, other: Self) {
        other.owed.iter().for_each(|(account, ticket)| self.add(account, *ticket));
        self.until = self.until.max(other.until);
    }

    /// Whether there is nothing to wait for, now or later.
    pub(crate) fn is_empty(&self) -> bool {
        self.owed.is_empty() && self.until.is_none()
    }

    /// How long to wait, as far as can be said now.
    pub(crate) fn wait(&self) -> Duration {
        let owed = self.owed.iter().map(|(account, ticket)| account.wait(*ticket)).max();
        let told = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        owed.max(told).unwrap_or_default()
    }

    fn expected_wait(&self) -> Duration {
        let waits = self.owed.iter().map(|(account, ticket)| account.expected_wait(*ticket));
        waits.max().unwrap_or_default()
    }

    fn count(&self) {
        for (account, ticket) in &self.owed {
            let wait = account.expected_wait(*ticket);
            if !wait.is_zero() {
                metrics::throttled(account.key.tenant, account.key.quota.name(), wait);
            }
        }
    }
}
