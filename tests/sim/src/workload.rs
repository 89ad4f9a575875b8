//! The clients of a run. Each goes on through every fault, and stops when it has been told to and
//! knows what became of all it sent.

mod committed;
mod committer;
mod producer;
mod reader;
mod setup;
mod transactional;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use turmoil::Sim;

use crate::history::History;
use crate::kafka::{Broken, Connection};
use crate::scenario::Scenario;
use crate::trace::Trace;

pub use self::committed::read_committed;
pub use self::producer::probe;
pub use self::reader::{read_all, read_group};
pub use self::transactional::read_offsets;

/// What all clients of a run share. Cheap to clone.
#[derive(Clone)]
pub struct Load {
    /// What they are to do.
    pub scenario: Arc<Scenario>,
    /// What they did and saw.
    pub history: History,
    /// What happened.
    pub trace: Trace,
    /// The topic is there.
    pub ready: Arc<AtomicBool>,
    /// No new work: finish what is under way.
    pub stop: Arc<AtomicBool>,
    /// Clients that have not finished.
    pub busy: Arc<Mutex<BTreeSet<String>>>,
}

/// One client's way to the cluster.
pub struct Client {
    load: Load,
    rng: ChaCha8Rng,
    connection: Option<Connection>,
}

// === impl Load ===

impl Load {
    /// Nothing has been done yet.
    pub fn new(scenario: Arc<Scenario>, trace: Trace) -> Self {
        Self {
            scenario,
            history: History::default(),
            trace,
            ready: Arc::default(),
            stop: Arc::default(),
            busy: Arc::default(),
        }
    }

    /// Puts the clients on the simulated network.
    pub fn start(&self, sim: &mut Sim<'_>) {
        self.client(sim, "admin", 1, setup::run);
        for plan in self.scenario.producers.clone() {
            let name = format!("producer-{}", plan.id);
            self.client(sim, &name, u64::from(plan.id) + 100, move |client| {
                producer::run(client, plan)
            });
        }
        for id in 1..=self.scenario.readers {
            let name = format!("consumer-{id}");
            self.client(sim, &name, u64::from(id) + 200, move |client| reader::run(client, id));
        }
        for id in 1..=self.scenario.groups {
            let name = format!("group-{id}");
            self.client(sim, &name, u64::from(id) + 300, move |client| committer::run(client, id));
        }
        let transactions = self.scenario.transactions.clone();
        for plan in transactions.producers {
            let name = format!("transactional-{}", plan.id);
            self.client(sim, &name, u64::from(plan.id) + 400, move |client| {
                transactional::run(client, plan)
            });
        }
        for id in 1..=transactions.readers {
            let name = format!("committed-{id}");
            self.client(sim, &name, u64::from(id) + 500, move |client| committed::run(client, id));
        }
    }

    fn client<F: Future<Output = ()> + 'static>(
        &self,
        sim: &mut Sim<'_>,
        name: &str,
        salt: u64,
        run: impl FnOnce(Client) -> F + 'static,
    ) {
        self.busy.lock().insert(name.to_owned());
        let (client, busy) = (Client::new(self.clone(), salt), Arc::clone(&self.busy));
        let own = name.to_owned();
        sim.client(name, async move {
            run(client).await;
            busy.lock().remove(&own);
            Ok(())
        });
    }
}

// === impl Client ===

impl Client {
    /// A client with a random source of its own.
    pub fn new(load: Load, salt: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(load.scenario.seed.wrapping_mul(1_000_003) ^ salt);
        Self { load, rng, connection: None }
    }

    fn stopping(&self) -> bool {
        self.load.stop.load(Ordering::SeqCst)
    }

    /// Waits until the topic is there.
    async fn wait_ready(&self) {
        while !self.load.ready.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The connection, opened to any gateway if there is none. True if it is new.
    async fn connect(&mut self) -> Result<(&mut Connection, bool), Broken> {
        let fresh = self.connection.is_none();
        if fresh {
            let gateway = self.rng.random_range(1..=self.load.scenario.gateways);
            self.connection = Some(Connection::open(&format!("gateway-{gateway}")).await?);
        }
        Ok((self.connection.as_mut().expect("it was opened"), fresh))
    }

    /// Gives the connection up and waits a little.
    async fn back_off(&mut self) {
        self.connection = None;
        let pause = self.rng.random_range(20..=300);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    /// Asks once over the connection; it is given up if that fails.
    async fn ask<R: protocol::Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Option<R::Response> {
        let asked = async { self.connect().await?.0.call(version, request).await };
        let answer = asked.await;
        if answer.is_err() {
            self.back_off().await;
        }
        answer.ok()
    }
}
