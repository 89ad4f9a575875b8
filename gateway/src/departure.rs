//! Leaving: what a gateway does when the clients' name stands for another gateway set (KIP-1102).
//!
//! ```text
//! c/set names another ── grace: TTL and clients' caches ──► REBOOTSTRAP_REQUIRED, then the connection
//!                                                           ends; again every minute
//! ```
//!
//! During the grace clients cannot know better than to come here, and are served: DNS is no fence
//! (R50). Then whoever is connected is told to begin again and disconnected, spread over some seconds.
//! A client that comes back all the same has a cache that outlives the TTL. It is served too, and its
//! metadata names the gateways of the active set: no client depends on its resolver for longer than
//! it takes to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::call::Client;
use crate::context::Core;
use crate::limits::{DEPARTURE_INTERVAL, DEPARTURE_SPREAD};
use crate::rendezvous;

/// How often clients were sent away so far.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    count: watch::Sender<u64>,
    /// Nobody is to come back.
    for_good: AtomicBool,
}

// === impl Departure ===

impl Departure {
    /// What a client that connects now does not heed: it was for those before.
    pub(crate) fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// Whether a client is to begin again at its bootstrap servers.
    pub(crate) fn concerns(&self, client: &Client) -> bool {
        self.for_good.load(Ordering::Relaxed) || client.departures < self.count()
    }

    /// Sends everybody away who is connected now, and from now on whoever can be told to.
    pub(crate) fn for_good(&self) {
        self.for_good.store(true, Ordering::Relaxed);
        self.begin();
    }

    /// When this client is disconnected: some time after it was told to leave, each at another
    /// moment, so that they do not arrive elsewhere all at once.
    pub(crate) fn of(&self, client: &Client) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.count.subscribe();
        let (known, lane) = (client.departures, client.lane);
        async move {
            if count.wait_for(|count| *count > known).await.is_err() {
                return std::future::pending().await;
            }
            let spread = u64::try_from(DEPARTURE_SPREAD.as_millis()).expect("seconds");
            sleep(Duration::from_millis(rendezvous::mix(lane) % spread)).await;
        }
    }

    fn begin(&self) {
        self.count.send_modify(|count| *count += 1);
    }
}

/// Follows the active set until the drain begins.
pub(crate) async fn follow(core: Arc<Core>) {
    let mut changed = core.view.changed();
    let draining = core.drain.draining();
    tokio::pin!(draining);
    let mut left: Option<u64> = None;
    loop {
        changed.mark_unchanged();
        let now = core.left_in();
        if now.is_some() && now != left {
            tracing::warn!(generation = now, "clients go to another gateway set");
        }
        left = now;
        // Woken by every change of the metadata: what matters is whether this one is another.
        let leaving = async {
            let Some(grace) = core.left_grace() else { return std::future::pending().await };
            sleep(grace).await;
            loop {
                core.departure.begin();
                sleep(DEPARTURE_INTERVAL).await;
            }
        };
        let another = async {
            while changed.changed().await.is_ok() {
                if core.left_in() != left {
                    return;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            () = &mut draining => return,
            () = leaving => {}
            () = another => {}
        }
    }
}

// === impl Core ===

impl Core {
    /// The generation in which clients go elsewhere; `None` while they come here.
    fn left_in(&self) -> Option<u64> {
        let active = self.view.active_set()?;
        let left = active.applied && !self.is_of(&active.set);
        left.then_some(active.generation)
    }

    fn left_grace(&self) -> Option<Duration> {
        self.left_in()?;
        Some(Duration::from_millis(self.view.active_set()?.grace_ms))
    }

    /// Whether this gateway is in a set. One that is in none is in all of them.
    fn is_of(&self, set: &str) -> bool {
        let own = self.advertised.set.as_str();
        own.is_empty() || own == set
    }
}

#[cfg(test)]
mod tests {
    use metadata::Txn;
    use metadata::gateway_sets::{ActiveSet, Cause};
    use metadata::keys::Key;
    use metadata::model::Record;
    use tokio::time::Instant;

    use super::*;

    const GRACE: Duration = Duration::from_secs(40);

    async fn set_active(
        core: &Core,
        store: &dyn metadata::MetadataStore,
        set: &str,
        generation: u64,
    ) {
        let active = ActiveSet {
            set: set.to_owned(),
            generation,
            applied: true,
            cause: Cause::Failover,
            since_ms: 0,
            grace_ms: GRACE.as_millis().try_into().unwrap(),
            barred: Vec::new(),
        };
        let put = Txn::new().put(Key::ActiveSet, active.encode());
        assert!(store.txn(put).await.unwrap().is_committed());
        core.view.refresh().await.unwrap();
    }

    fn client_of(core: &Core) -> Client {
        Client { departures: core.departure.count(), ..Client::for_tests() }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_are_sent_away_after_the_grace_and_may_come_back() {
        let (core, store) = Core::for_tests_in("primary").await;
        drop(core.drain.spawn("gateway set", follow(Arc::clone(&core))));
        set_active(&core, &*store, "primary", 1).await;
        let client = client_of(&core);
        sleep(GRACE * 10).await;
        assert!(!core.departure.concerns(&client), "the set is the active one");
        let switched = Instant::now();
        set_active(&core, &*store, "standby", 2).await;
        sleep(GRACE / 2).await;
        assert!(!core.departure.concerns(&client), "its resolver may not know yet");
        core.departure.of(&client).await;
        assert!(core.departure.concerns(&client));
        assert!((GRACE..=GRACE + DEPARTURE_SPREAD).contains(&switched.elapsed()));
        let again = client_of(&core);
        assert!(!core.departure.concerns(&again), "it cannot know better, and is served");
        core.departure.of(&again).await;
        assert!(switched.elapsed() >= GRACE + DEPARTURE_INTERVAL);
        set_active(&core, &*store, "primary", 3).await;
        let back = client_of(&core);
        sleep(GRACE * 10).await;
        assert!(!core.departure.concerns(&back));
    }

    #[tokio::test]
    async fn for_good_means_everybody() {
        let core = Core::for_tests().await;
        core.departure.for_good();
        assert!(core.departure.concerns(&client_of(&core)));
    }
}
