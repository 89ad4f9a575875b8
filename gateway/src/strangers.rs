//! Connections that have not yet said who they are, and how they are kept from being all there are (R62).
//!
//! ```text
//! accept ─► inside: so many of an address ─────────────────► known, and a stranger no more
//!      └─► at the door, not read from ─┘ the last to come first
//! ```
//!
//! A stranger costs its client nothing but a socket, so few of one address are served at a time. More of
//! them wait at the door: in a storm after a failover they are let in as fast as those before them become
//! known. Inside, slow and hostile look alike; but while somebody waits, or all places are taken, who
//! keeps *us* waiting for longer than a second has to leave. Only whole steps count (a hello, a handshake,
//! a frame), not a byte now and then, and the time that we take ourselves does not.
//!
//! When all places are taken the longest line gives one up: who comes from many sockets of one address
//! pushes out its own.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{AbortHandle, AbortRegistration};
use parking_lot::Mutex;
use process::{Drain, network};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::config::LimitsConfig;
use crate::limits::{STRANGER_PATIENCE, STRANGER_SILENCE, STRANGER_SWEEP};
use crate::metrics;

/// All strangers of one gateway.
pub(crate) struct Strangers {
    places: Mutex<Places>,
}

/// One that was let in. Dropped when it is known, or gone.
pub(crate) struct Stranger {
    strangers: Arc<Strangers>,
    address: IpAddr,
    number: u64,
    conduct: Arc<Conduct>,
}

/// A stranger that was let in, and what ends its connection if it has to leave.
pub(crate) struct Admission {
    pub(crate) stranger: Stranger,
    pub(crate) end: AbortRegistration,
}

/// How long a stranger keeps us waiting, and how it is sent away.
struct Conduct {
    silence: Mutex<Silence>,
    end: AbortHandle,
}

/// The time that is the client's own.
#[derive(Default)]
struct Silence {
    /// Of the step that it is to take now, if one is its to take.
    since: Option<Instant>,
    /// Of the steps before.
    before: Duration,
}

struct Places {
    total: usize,
    per_address: usize,
    inside: HashMap<IpAddr, HashMap<u64, Arc<Conduct>>>,
    /// Addresses nobody of which waits are not in it.
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<Admission>>>,
    /// Inside and waiting.
    taken: usize,
    next: u64,
    is_closed: bool,
}

// === impl Strangers ===

impl Strangers {
    pub(crate) fn new(limits: &LimitsConfig) -> Arc<Self> {
        let places = Places {
            total: limits.unauthenticated_connections,
            per_address: limits.unauthenticated_connections_per_address,
            inside: HashMap::new(),
            waiting: HashMap::new(),
            taken: 0,
            next: 0,
            is_closed: false,
        };
        Arc::new(Self { places: Mutex::new(places) })
    }

    /// Lets a connection of this address in, as soon as there is a place; `None` if there is none.
    pub(crate) async fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admission> {
        let address = network(address);
        let turn = {
            let mut places = self.places.lock();
            if places.is_closed || !places.make_room() {
                return None;
            }
            if !places.is_crowded(address) {
                return Some(self.let_in(&mut places, address));
            }
            places.queue(address)
        };
        timeout(STRANGER_PATIENCE, turn).await.ok()?.ok()
    }

    fn let_in(self: &Arc<Self>, places: &mut Places, address: IpAddr) -> Admission {
        let (handle, end) = AbortHandle::new_pair();
        let silence = Silence { since: Some(Instant::now()), before: Duration::ZERO };
        let conduct = Arc::new(Conduct { silence: Mutex::new(silence), end: handle });
        let number = places.settle(address, Arc::clone(&conduct));
        let strangers = Arc::clone(self);
        Admission { stranger: Stranger { strangers, address, number, conduct }, end }
    }

    /// Gives a place to the next in line. One that did not wait for it is returned, and to be dropped
    /// where the lock is not held.
    fn leave(self: &Arc<Self>, address: IpAddr, number: u64) -> Option<Admission> {
        let mut places = self.places.lock();
        places.remove(address, number);
        while let Some(turn) = places.next_in_line(address) {
            if !turn.is_closed() {
                let admission = self.let_in(&mut places, address);
                return turn.send(admission).err();
            }
        }
        None
    }

    /// Sends those away that are in others' way, until the drain; then nobody waits any more.
    pub(crate) async fn watch(self: Arc<Self>, drain: Drain) {
        let mut draining = pin!(drain.draining());
        loop {
            let began = Instant::now();
            tokio::select! {
                () = &mut draining => break,
                // Who comes late itself, for want of a processor, does not judge.
                () = sleep(STRANGER_SWEEP) => if began.elapsed() < STRANGER_SWEEP * 2 {
                    self.sweep(Instant::now());
                },
            }
        }
        let mut places = self.places.lock();
        places.is_closed = true;
        places.taken -= places.waiting.drain().map(|(_, line)| line.len()).sum::<usize>();
    }

    fn sweep(&self, now: Instant) {
        let mut places = self.places.lock();
        places.forget_impatient();
        let waiting = places.waiting.values().map(VecDeque::len).sum();
        metrics::strangers(places.taken - waiting, waiting);
        places.in_the_way().filter(|it| it.is_silent(now)).for_each(|it| it.end.abort());
    }
}

// === impl Stranger ===

impl Stranger {
    /// From now on the next step is the client's.
    pub(crate) fn is_awaited(&self) {
        let mut silence = self.conduct.silence.lock();
        silence.end();
        silence.since = Some(Instant::now());
    }

    /// The client has taken a whole step.
    pub(crate) fn is_heard(&self) {
        self.conduct.silence.lock().end();
    }

    /// What is left of `patience`, which is for all of the client's steps together.
    pub(crate) fn left_of(&self, patience: Duration) -> Duration {
        patience.saturating_sub(self.conduct.silence.lock().before)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        drop(self.strangers.leave(self.address, self.number));
    }
}

// === impl Silence ===

impl Silence {
    fn end(&mut self) {
        self.before += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
    }
}

// === impl Conduct ===

impl Conduct {
    fn is_silent(&self, now: Instant) -> bool {
        let since = self.silence.lock().since;
        since.is_some_and(|since| now.saturating_duration_since(since) > STRANGER_SILENCE)
    }
}

// === impl Places ===

impl Places {
    /// Whether there is a place, or the longest line gave one up. Nothing was done for who is in it.
    fn make_room(&mut self) -> bool {
        if self.taken < self.total {
            return true;
        }
        let longest = self.waiting.iter().max_by_key(|(_, line)| line.len());
        let Some(address) = longest.map(|(address, _)| *address) else { return false };
        // Whoever waited longest; it hears so by its sender being gone.
        drop(self.take_from(address, VecDeque::pop_front));
        true
    }

    fn is_crowded(&self, address: IpAddr) -> bool {
        self.inside.get(&address).is_some_and(|inside| inside.len() >= self.per_address)
    }

    fn queue(&mut self, address: IpAddr) -> oneshot::Receiver<Admission> {
        let (sender, turn) = oneshot::channel();
        self.waiting.entry(address).or_default().push_back(sender);
        self.taken += 1;
        turn
    }

    fn settle(&mut self, address: IpAddr, conduct: Arc<Conduct>) -> u64 {
        self.next += 1;
        self.taken += 1;
        self.inside.entry(address).or_default().insert(self.next, conduct);
        self.next
    }

    fn remove(&mut self, address: IpAddr, number: u64) {
        if let Some(inside) = self.inside.get_mut(&address) {
            self.taken -= usize::from(inside.remove(&number).is_some());
            if inside.is_empty() {
                self.inside.remove(&address);
            }
        }
    }

    /// The last to come: where a line is long, the first of it have given up, or never wanted to speak.
    fn next_in_line(&mut self, address: IpAddr) -> Option<oneshot::Sender<Admission>> {
        self.take_from(address, VecDeque::pop_back)
    }

    fn take_from(
        &mut self,
        address: IpAddr,
        end: impl Fn(&mut VecDeque<oneshot::Sender<Admission>>) -> Option<oneshot::Sender<Admission>>,
    ) -> Option<oneshot::Sender<Admission>> {
        let line = self.waiting.get_mut(&address)?;
        let taken = end(line);
        self.taken -= usize::from(taken.is_some());
        if line.is_empty() {
            self.waiting.remove(&address);
        }
        taken
    }

    /// Those whose patience ended hold their places no longer.
    fn forget_impatient(&mut self) {
        let before: usize = self.waiting.values().map(VecDeque::len).sum();
        self.waiting.retain(|_, line| {
            line.retain(|turn| !turn.is_closed());
            !line.is_empty()
        });
        self.taken -= before - self.waiting.values().map(VecDeque::len).sum::<usize>();
    }

    /// Those inside who keep somebody out.
    fn in_the_way(&self) -> impl Iterator<Item = &Arc<Conduct>> {
        let is_full = self.taken >= self.total;
        let lines = self.inside.iter();
        let lines = lines.filter(move |(it, _)| is_full || self.waiting.contains_key(*it));
        lines.flat_map(|(_, inside)| inside.values())
    }
}
