//! Starting loads: in fair turns, each with its memory, no more at a time than configured.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{Shared, open};
use crate::limits::UNREAD_LIFE;
use crate::load::{Load, LoadError, Outcomes};
use crate::memory::Reservation;
use crate::metrics;

/// Spreads bytes over time. What was idle before is not caught up with.
struct Pace {
    bytes_per_second: Option<u64>,
    free_at: Instant,
}

impl Shared {
    /// Starts loads until the role drains.
    pub(super) async fn dispatch(self: Arc<Self>) {
        let draining = self.drain.draining();
        let mut draining = std::pin::pin!(draining);
        let mut pace = Pace::new(self.bandwidth);
        loop {
            let step = async {
                sleep_until(pace.free_at).await;
                match self.begin() {
                    Some((load, memory)) => {
                        pace.took(load.bytes());
                        let run = Arc::clone(&self).run(load, memory);
                        drop(self.drain.spawn("cold load", run));
                    }
                    None => tokio::select! {
                        () = self.work.notified() => {}
                        () = self.memory.given_back() => {}
                        () = sleep(UNREAD_LIFE) => {}
                    },
                }
            };
            tokio::select! {
                () = step => {}
                () = &mut draining => break,
            }
        }
        self.table.lock().stop();
    }

    /// The next load with its memory, if there is room for it.
    fn begin(&self) -> Option<(Arc<Load>, Reservation)> {
        let mut table = self.table.lock();
        let load = table.next()?;
        let is_room = table.in_flight == 0
            || table.in_flight.saturating_add(load.bytes()) <= self.window.lock().bytes();
        if !is_room {
            return None;
        }
        let memory = loop {
            match self.memory.try_reserve(load.bytes()) {
                Some(memory) => break memory,
                None if table.evict() => metrics::evicted(),
                // It is being fetched, about to be read, or answered; all of that ends by itself.
                None => return None,
            }
        };
        table.begin();
        metrics::memory(self.memory.used());
        Some((load, memory))
    }

    async fn run(self: Arc<Self>, load: Arc<Load>, memory: Reservation) {
        let outcomes = tokio::select! {
            outcomes = self.get(&load, memory) => outcomes,
            () = load.unwanted() => {
                metrics::gave_up();
                load.extents.iter().map(|_| Err(LoadError::Stopped)).collect()
            }
        };
        self.table.lock().end(&load, &outcomes);
        self.work.notify_one();
    }

    /// One ranged GET, cut into verified blocks.
    async fn get(&self, load: &Load, memory: Reservation) -> Outcomes {
        let range = load.range();
        let begun = Instant::now();
        let bytes = match self.store.get_range(&load.extents[0].location.key(), range).await {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.is_transient() {
                    self.window.lock().refused();
                }
                let error = LoadError::Store(error);
                return load.extents.iter().map(|_| Err(error.clone())).collect();
            }
        };
        self.window.lock().came(bytes.len() as u64);
        metrics::got(bytes.len() as u64, begun.elapsed());
        self.progress.got(&load.flow);
        open::open(load, bytes, memory, self.store.keyring())
    }
}

impl Pace {
    fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second, free_at: Instant::now() }
    }

    fn took(&mut self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let seconds = bytes as f64 / rate.max(1) as f64;
        self.free_at = self.free_at.max(Instant::now()) + Duration::from_secs_f64(seconds);
    }
}
