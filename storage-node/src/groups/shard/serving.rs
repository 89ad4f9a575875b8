//! Serving: commands and time go in, replies come out once what they show is durable.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coordinator::{Caller, Command, Coordinator, Markers, Outputs, Record, Reply, Token};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use protocol::StrBytes;
use tokio::sync::{mpsc, oneshot};

use super::append::{OnTheWay, append};
use super::load::Loaded;
use super::snapshots::Snapshots;
use super::{Client, End, Message, Parts};
use crate::groups::limits::{
    CLOCK_JUMP_MS, RETRY_MAX, STEP_COMMANDS_MAX, STEPS_IN_FLIGHT_MAX, WAKE_INTERVAL,
};
use crate::groups::metrics;
use crate::groups::state_log::Lost;
use crate::groups::transactions::markers::{Delivery, Source, deliver};

/// What can go out when a step has become durable.
enum Outcome {
    Step {
        replies: Vec<(Token, Reply)>,
        markers: Vec<Markers>,
    },
    /// All of a snapshot that begins at this offset.
    Snapshot(i64),
}

/// A loaded shard at work.
pub(super) struct Serving<'a> {
    parts: &'a Parts,
    coordinator: Coordinator,
    snapshots: Snapshots,
    /// The offset of the next record.
    next_offset: i64,
    /// Steps in the order they were taken. A reply may show what any earlier step has changed, so
    /// each waits for all before it (C1); one without records waits for proof that nobody else has
    /// taken over since (R6).
    steps: FuturesOrdered<BoxFuture<'static, Result<Outcome, Lost>>>,
    /// Outcomes of transactions on their way to the partitions. Lost with the shard: whoever loads
    /// it next sends them again (R40).
    deliveries: FuturesUnordered<BoxFuture<'static, Delivery>>,
    /// Producer ids on their way to here.
    producer_ids: FuturesUnordered<BoxFuture<'static, Vec<i64>>>,
    waiting: HashMap<Token, oneshot::Sender<Reply>>,
    last_token: u64,
    last_now_ms: i64,
}

impl<'a> Serving<'a> {
    pub(super) fn new(parts: &'a Parts, loaded: Loaded) -> Self {
        let unfinished = loaded.coordinator.unfinished();
        let mut serving = Self {
            parts,
            deliveries: FuturesUnordered::new(),
            producer_ids: FuturesUnordered::new(),
            snapshots: Snapshots::new(&loaded),
            next_offset: loaded.next_offset,
            coordinator: loaded.coordinator,
            steps: FuturesOrdered::new(),
            waiting: HashMap::new(),
            last_token: 0,
            last_now_ms: parts.clock.now_ms(),
        };
        serving.send(unfinished);
        serving
    }

    /// Serves until there is a reason not to.
    pub(super) async fn run(
        &mut self,
        inbox: &mut mpsc::Receiver<Message>,
        mut ended: Pin<&mut impl Future<Output = ()>>,
    ) -> End {
        let mut messages = Vec::new();
        loop {
            let worked = self.work(inbox, &mut messages, ended.as_mut()).await;
            if let Err(end) = worked {
                return end;
            }
        }
    }

    /// Waits for something to do, and does it.
    async fn work(
        &mut self,
        inbox: &mut mpsc::Receiver<Message>,
        messages: &mut Vec<Message>,
        ended: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), End> {
        let pause = self.tick_if_due().await?;
        if self.snapshots.is_due(self.parts) {
            self.take_snapshot().await?;
        }
        self.stock_up();
        let has_room = self.steps.len() < STEPS_IN_FLIGHT_MAX;
        tokio::select! {
            () = ended => Err(End::Stopped),
            Some(outcome) = self.steps.next(), if !self.steps.is_empty() => {
                self.release(outcome.map_err(|Lost| End::Lost)?);
                Ok(())
            }
            received = inbox.recv_many(messages, STEP_COMMANDS_MAX), if has_room => match received {
                0 => Err(End::Stopped),
                _ => self.carry_out(messages).await,
            },
            Some(delivery) = self.deliveries.next(), if has_room => {
                self.delivered(delivery, messages).await
            }
            Some(ids) = self.producer_ids.next() => {
                self.coordinator.take_producer_ids(ids);
                Ok(())
            }
            () = self.snapshots.moved(self.parts.index), if self.snapshots.is_moving() => Ok(()),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Lets the answers go whose state is on its way to the disk. Whoever else waits is told that
    /// this is not the coordinator any more, by their channel.
    pub(super) async fn finish(&mut self) {
        while let Some(Ok(outcome)) = self.steps.next().await {
            self.release(outcome);
        }
    }

    async fn carry_out(&mut self, messages: &mut Vec<Message>) -> Result<(), End> {
        metrics::carried_out(messages.len());
        let now_ms = self.now_ms();
        let mut out = Outputs::default();
        for Message { client, command, reply } in messages.drain(..) {
            self.last_token += 1;
            let token = Token(self.last_token);
            self.waiting.insert(token, reply);
            let caller = Caller {
                tenant: client.tenant,
                token,
                client_id: client.id,
                client_host: client.host,
            };
            self.coordinator.handle(now_ms, &caller, command, &mut out);
        }
        self.step(out).await
    }

    /// Sends outcomes of transactions to their partitions. They are durable.
    fn send(&mut self, all: Vec<Markers>) {
        for markers in all {
            let neighbours = Arc::clone(&self.parts.neighbours);
            let source = Source { internal: self.parts.topic, shard: self.parts.index };
            let delivery = async move { deliver(&*neighbours, source, markers).await };
            self.deliveries.push(delivery.boxed());
        }
    }

    /// A transaction is over, or not ours any more.
    async fn delivered(
        &mut self,
        delivery: Delivery,
        messages: &mut Vec<Message>,
    ) -> Result<(), End> {
        let Delivery::Done(tenant, written) = delivery else { return Err(End::Lost) };
        // Nobody waits for the reply.
        let (reply, _) = oneshot::channel();
        let client = Client { tenant, id: StrBytes::new(), host: StrBytes::new() };
        messages.push(Message { client, command: Command::MarkersWritten(written), reply });
        self.carry_out(messages).await
    }

    /// Sees to it that there are producer ids for new transactional ids.
    fn stock_up(&mut self) {
        let wanted = self.coordinator.producer_ids_wanted();
        if wanted > 0 && self.producer_ids.is_empty() {
            let neighbours = Arc::clone(&self.parts.neighbours);
            let ids = async move {
                loop {
                    let ids = neighbours.producer_ids(wanted).await;
                    if !ids.is_empty() {
                        break ids;
                    }
                    tokio::time::sleep(RETRY_MAX).await;
                }
            };
            self.producer_ids.push(ids.boxed());
        }
    }

    /// Does what has fallen due. Returns how long nothing will.
    async fn tick_if_due(&mut self) -> Result<Duration, End> {
        let now_ms = self.now_ms();
        if self.coordinator.next_deadline().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            let mut out = Outputs::default();
            self.coordinator.tick(now_ms, &mut out);
            self.step(out).await?;
        }
        let next_ms = self.coordinator.next_deadline().map_or(i64::MAX, |at_ms| at_ms - now_ms);
        Ok(WAKE_INTERVAL.min(Duration::from_millis(u64::try_from(next_ms).unwrap_or(1).max(1))))
    }

    async fn step(&mut self, out: Outputs) -> Result<(), End> {
        if out.is_empty() {
            return Ok(());
        }
        let proof = if out.records.is_empty() {
            self.parts.log.prove_ownership()
        } else {
            self.append(&out.records).await?.durable
        };
        let Outputs { replies, markers, .. } = out;
        let outcome = Outcome::Step { replies, markers };
        self.steps.push_back(proof.map(|proven| proven.map(|()| outcome)).boxed());
        Ok(())
    }

    async fn take_snapshot(&mut self) -> Result<(), End> {
        let records = self.coordinator.snapshot();
        let start = self.next_offset;
        let durable = if records.is_empty() {
            self.parts.log.prove_ownership()
        } else {
            self.append(&records).await?.durable
        };
        self.snapshots.taken(records.len());
        self.steps
            .push_back(durable.map(move |done| done.map(|()| Outcome::Snapshot(start))).boxed());
        Ok(())
    }

    async fn append(&mut self, records: &[Record]) -> Result<OnTheWay, End> {
        let on_the_way = append(self.parts, records).await?;
        assert_eq!(on_the_way.first_offset, self.next_offset, "only this shard writes its log");
        self.next_offset += records.len() as i64;
        self.snapshots.written(records.len());
        Ok(on_the_way)
    }

    fn release(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Step { replies, markers } => {
                self.send(markers);
                for (token, reply) in replies {
                    let waiting = self.waiting.remove(&token).expect("each token is answered once");
                    // The client may be gone; what it asked for is done all the same.
                    let _gone = waiting.send(reply);
                }
            }
            Outcome::Snapshot(start) => self.snapshots.durable(self.parts, start),
        }
    }

    /// The time, after a look at whether it has jumped (R42).
    fn now_ms(&mut self) -> i64 {
        let now_ms = self.parts.clock.now_ms();
        let passed_ms = now_ms - self.last_now_ms;
        let expected_ms = WAKE_INTERVAL.as_millis() as i64;
        if passed_ms > expected_ms + CLOCK_JUMP_MS || passed_ms < -CLOCK_JUMP_MS {
            tracing::warn!(shard = self.parts.index, passed_ms, "time jumped, timers restart");
            self.coordinator.restart_timers(now_ms);
        }
        self.last_now_ms = now_ms;
        now_ms
    }
}
