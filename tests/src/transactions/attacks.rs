//! What clients do, by mistake or by bad luck, that left transactions open for ever before KIP-890; and
//! what they may do, so that there is something to disturb.
//!
//! Each attack has a transactional id and a connection of its own. What its last step must not achieve
//! is in its value: `refused` values are never to be accepted.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use protocol::ErrorCode;
use rand::Rng;
use rand::rngs::StdRng;

use super::raw_producer::{RawProducer, Speaks, comes_again, patiently};
use crate::raw::Raw;

/// How long a transaction of an attack may stay open.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Past that, and past the next look of the coordinator.
const TOO_LATE: Duration = Duration::from_secs(7);

/// Between two questions after markers, and how often they are asked: 20 s, longer than a takeover.
const MARKER_PAUSE: Duration = Duration::from_millis(50);
const MARKER_TRIES: usize = 400;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attack {
    /// A transaction like any other.
    Honest,
    /// A produce without AddPartitionsToTxn. New clients have none: theirs comes after the end.
    Unannounced,
    /// A produce after the end, as if it had been on the way for long.
    AfterEnd,
    /// A produce after the transaction's time is over.
    AfterTimeout,
    /// Produce and abort at once, over two connections: either may be first.
    AbortRace,
    /// The client is gone in the middle.
    LeftOpen,
    /// The same with offsets of a group.
    OffsetsLeftOpen,
}

impl Attack {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Honest,
        Self::Unannounced,
        Self::AfterEnd,
        Self::AfterTimeout,
        Self::AbortRace,
        Self::LeftOpen,
        Self::OffsetsLeftOpen,
    ];
}

/// Where and by whom.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) bootstrap: &'a str,
    pub(super) topic: &'a str,
    pub(super) partitions: u32,
    pub(super) id: String,
}

/// What became of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// The last step was answered as it should be.
    Withstood,
    /// What must be refused was accepted.
    Accepted,
    /// The cluster was not well enough for the steps before the last one.
    Interrupted,
}

impl Scene<'_> {
    /// Carries an attack out. An error says that there was no answer.
    pub(super) fn play(
        &self,
        attack: Attack,
        speaks: Speaks,
        chance: &mut StdRng,
    ) -> Result<Outcome> {
        let gateway = chance.random_range(0..8);
        let at = chance.random_range(0..self.partitions);
        let commit = chance.random_bool(0.5);
        let mut producer = self.producer(speaks, gateway)?;
        match attack {
            Attack::Honest => {
                begin(&mut producer, at, "honest")?;
                end(&mut producer, commit)?;
                Ok(Outcome::Withstood)
            }
            Attack::Unannounced if producer.is_old() => {
                refused(&mut producer, at, "refused: never added")
            }
            Attack::Unannounced | Attack::AfterEnd => {
                begin(&mut producer, at, "before")?;
                let session = producer.session();
                end(&mut producer, commit)?;
                // Until its marker is there, it belongs to the transaction: that much later it comes.
                wait_for_markers(&mut producer)?;
                producer.resume(session);
                refused(&mut producer, at, "refused: after the end")
            }
            Attack::AfterTimeout => {
                begin(&mut producer, at, "in time")?;
                std::thread::sleep(TOO_LATE);
                // Nobody says when exactly it is over: what counts is that nothing stays open.
                producer.produce(at, "late")?;
                Ok(Outcome::Withstood)
            }
            Attack::AbortRace => {
                begin(&mut producer, at, "before")?;
                self.race(producer, at, gateway)
            }
            Attack::LeftOpen => {
                begin(&mut producer, at, "left")?;
                Ok(Outcome::Withstood)
            }
            Attack::OffsetsLeftOpen => {
                if producer.is_old() {
                    expect(patiently(|| Ok((producer.add_group(&self.id)?, ())))?.0)?;
                }
                expect(patiently(|| Ok((producer.commit_offset(&self.id, 7)?, ())))?.0)?;
                Ok(Outcome::Withstood)
            }
        }
    }

    fn producer(&self, speaks: Speaks, gateway: usize) -> Result<RawProducer> {
        let raw = Raw::connect_to(self.bootstrap, gateway, &self.id)?;
        let timeout_ms = i32::try_from(TIMEOUT.as_millis())?;
        RawProducer::init(raw, speaks, &self.id, (self.topic, self.partitions), timeout_ms)
    }

    /// The produce is sent, the abort asked for elsewhere, and the answers to both awaited.
    fn race(&self, mut producer: RawProducer, at: u32, gateway: usize) -> Result<Outcome> {
        producer.send(at, "raced")?;
        let other = Raw::connect_to(self.bootstrap, gateway + 1, &self.id)?;
        let one = std::mem::replace(&mut producer.raw, other);
        end(&mut producer, false)?;
        producer.raw = one;
        producer.produced(at)?;
        Ok(Outcome::Withstood)
    }
}

/// Begins a transaction with a record.
fn begin(producer: &mut RawProducer, at: u32, value: &str) -> Result<()> {
    if producer.is_old() {
        expect(patiently(|| Ok((producer.add(at)?, ())))?.0)?;
    }
    expect(patiently(|| Ok((producer.produce(at, value)?, ())))?.0)
}

fn end(producer: &mut RawProducer, commit: bool) -> Result<()> {
    expect(patiently(|| Ok((producer.end(commit)?, ())))?.0)
}

fn wait_for_markers(producer: &mut RawProducer) -> Result<()> {
    for _ in 0..MARKER_TRIES {
        if producer.has_ended()? {
            return Ok(());
        }
        std::thread::sleep(MARKER_PAUSE);
    }
    bail!("the transaction does not end")
}

/// Something that must not be accepted.
fn refused(producer: &mut RawProducer, at: u32, value: &str) -> Result<Outcome> {
    let (code, ()) = patiently(|| Ok((producer.produce(at, value)?, ())))?;
    Ok(match code {
        ErrorCode::None => Outcome::Accepted,
        code if comes_again(code) => Outcome::Interrupted,
        _ => Outcome::Withstood,
    })
}

fn expect(code: ErrorCode) -> Result<()> {
    ensure!(code.is_none(), "{}", code.name());
    Ok(())
}
