//! A log in memory that does what the test says.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::groups::state_log::{
    AppendError, Appended, Lost, MoveStartError, ReplayError, ReplayFn, StateLog,
};

/// How the log behaves at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Appends become durable at once.
    Well,
    /// Appends are taken and stay on their way; ownership is not proven either.
    Held,
    /// Appends are refused for now.
    Full,
    /// Every append is refused for ever, as a record that is too large would be.
    Refusing,
    /// The log can be read, and nobody can tell whose it is: the store is away.
    Unproven,
    /// The log is somebody else's.
    Lost,
}

/// Shared by the log's handles: a shard has one, the test another.
#[derive(Clone)]
pub(super) struct MemoryLog {
    state: Arc<Mutex<State>>,
    mood: Arc<watch::Sender<Mood>>,
}

struct State {
    start: i64,
    records: Vec<Bytes>,
    batches: usize,
    replays: usize,
    failing_replays: usize,
}

impl MemoryLog {
    pub(super) fn new() -> Self {
        let state =
            State { start: 0, records: Vec::new(), batches: 0, replays: 0, failing_replays: 0 };
        Self { state: Arc::new(Mutex::new(state)), mood: Arc::new(watch::Sender::new(Mood::Well)) }
    }

    pub(super) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// The next replays fail.
    pub(super) fn fail_replays(&self, count: usize) {
        self.state.lock().failing_replays = count;
    }

    pub(super) fn records(&self) -> usize {
        self.state.lock().records.len()
    }

    pub(super) fn batches(&self) -> usize {
        self.state.lock().batches
    }

    pub(super) fn replays(&self) -> usize {
        self.state.lock().replays
    }

    pub(super) fn start(&self) -> i64 {
        self.state.lock().start
    }

    /// Appends what no coordinator wrote.
    pub(super) fn corrupt(&self) {
        self.state.lock().records.push(Bytes::from_static(b"\xff"));
    }

    fn settled(&self) -> BoxFuture<'static, Result<(), Lost>> {
        let mut mood = self.mood.subscribe();
        async move {
            let settled = mood.wait_for(|mood| *mood != Mood::Held).await;
            match settled.map(|mood| *mood) {
                Ok(Mood::Lost) | Err(_) => Err(Lost),
                Ok(_) => Ok(()),
            }
        }
        .boxed()
    }
}

#[async_trait]
impl StateLog for MemoryLog {
    async fn replay(&self, each: &mut ReplayFn<'_>) -> Result<i64, ReplayError> {
        self.settled().await?;
        let mut state = self.state.lock();
        state.replays += 1;
        if state.failing_replays > 0 {
            state.failing_replays -= 1;
            return Err(ReplayError::Read("the test says so".to_owned()));
        }
        for record in &state.records[state.start as usize..] {
            each(record)?;
        }
        Ok(state.records.len() as i64)
    }

    fn epoch(&self) -> i32 {
        1
    }

    fn append(&self, records: &[Bytes]) -> Result<Appended, AppendError> {
        match *self.mood.borrow() {
            Mood::Full => return Err(AppendError::Full),
            Mood::Refusing => return Err(AppendError::TooLarge { bytes: 1 }),
            Mood::Lost => return Err(AppendError::Lost(Lost)),
            Mood::Well | Mood::Held | Mood::Unproven => {}
        }
        let mut state = self.state.lock();
        let first_offset = state.records.len() as i64;
        state.records.extend(records.iter().cloned());
        state.batches += 1;
        Ok(Appended { first_offset, durable: self.settled() })
    }

    async fn move_start(&self, offset: i64) -> Result<(), MoveStartError> {
        let mut state = self.state.lock();
        state.start = state.start.max(offset);
        Ok(())
    }

    fn prove_ownership(&self) -> BoxFuture<'static, Result<(), Lost>> {
        if *self.mood.borrow() == Mood::Unproven {
            return std::future::ready(Err(Lost)).boxed();
        }
        self.settled()
    }
}
