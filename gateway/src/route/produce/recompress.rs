//! Packs batches anew for topics whose `compression.type` is another than their producer's.
//!
//! Here and not on a node: gateways are added as they are needed, and a node's thread must not wait
//! between a request and its last append. In the order of Kafka's checks: a batch that is larger than
//! `max.message.bytes` as it comes is refused, and so is one that has become so; both by the node. A
//! batch that the node would refuse for anything else goes to it as it is, to be refused there.
//!
//! Bounds (R61, R63): as many batches at a time as there are [`Packers`], each within
//! [`RECOMPRESSED_BATCH_INFLATED_BYTES_MAX`]; what has grown takes its part of the memory for requests,
//! and a request may become as large as one that a client may send.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use metadata::Topic;
use protocol::ErrorCode;
use protocol::batch::records::RecordsError;
use protocol::batch::{BatchView, Codec, Compression, recompressed, validate_produced};
use protocol::ids::PartitionId;
use protocol::limits::{FRAME_BYTES_MAX, RECOMPRESSED_BATCH_INFLATED_BYTES_MAX};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::split::Split;
use crate::context::Context;
use crate::metrics;

/// What a topic wants of its batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packing {
    codec: Codec,
    /// `max.message.bytes`.
    batch_bytes_max: usize,
}

/// The threads that pack: half of the processors, for others wait for the rest.
#[derive(Debug)]
pub(crate) struct Packers(Arc<Semaphore>);

/// A batch to be packed.
struct Job {
    partition: PartitionId,
    records: Bytes,
    packing: Packing,
}

/// Why a batch cannot be packed. Definite, all of them: nothing was sent (R44).
#[derive(Debug, thiserror::Error)]
enum PackError {
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error("the request is larger than {FRAME_BYTES_MAX} bytes with its records recompressed")]
    Request,
    #[error("no memory to recompress the batch just now")]
    Memory,
}

type Packed = HashMap<PartitionId, Result<Bytes, PackError>>;

/// Whether something must be packed before it is sent.
pub(super) fn is_needed(split: &Split) -> bool {
    split.shares.iter().flat_map(|share| &share.batches).any(|batch| batch.packing.is_some())
}

/// Packs what must be; what cannot be is refused.
pub(super) async fn run(context: &Context, mut split: Split) -> Split {
    let jobs = jobs(&mut split);
    if jobs.is_empty() {
        return split;
    }
    let began = Instant::now();
    let is_transactional = split.is_transactional();
    let mut room = FRAME_BYTES_MAX.saturating_sub(split.record_bytes());
    let packers = Arc::clone(&context.core.packers.0);
    let permit = packers.acquire_owned().await.expect("never closed");
    let work = move || {
        // Whoever asked may have gone: the thread is taken until its work is done.
        let _permit = permit;
        let packed = jobs.into_iter().filter_map(|job| pack(job, is_transactional, &mut room));
        packed.collect::<Packed>()
    };
    let mut packed = spawn_blocking(work).await.expect("packing does not panic");
    metrics::recompressed(began.elapsed());
    put(context, &mut split, &mut packed);
    refuse(&mut split, &packed);
    split
}

fn jobs(split: &mut Split) -> Vec<Job> {
    let mut jobs = Vec::new();
    for share in &mut split.shares {
        for at in 0..share.batches.len() {
            let (partition, packing) = (share.batches[at].partition, share.batches[at].packing);
            let records = share.records(partition).map(|records| records.clone());
            if let (Some(packing), Some(records)) = (packing, records) {
                jobs.push(Job { partition, records, packing });
            }
        }
    }
    jobs
}

/// `None` leaves the batch as it is, for the node to refuse.
fn pack(
    job: Job,
    transactional: bool,
    room: &mut usize,
) -> Option<(PartitionId, Result<Bytes, PackError>)> {
    let Job { partition, records, packing } = job;
    if records.len() > packing.batch_bytes_max {
        return None;
    }
    let batch = validate_produced(&records, transactional).ok()?;
    let packed = recompressed(&batch, packing.codec, RECOMPRESSED_BATCH_INFLATED_BYTES_MAX);
    let packed = packed.map_err(PackError::from).and_then(|packed| {
        let growth = packed.len().saturating_sub(records.len());
        *room = room.checked_sub(growth).ok_or(PackError::Request)?;
        Ok(packed)
    });
    Some((partition, packed))
}

/// Puts the packed batches in the place of those that came, as far as there is memory for what they
/// have grown. Leaves the errors.
fn put(context: &Context, split: &mut Split, packed: &mut Packed) {
    for share in &mut split.shares {
        let partitions: Vec<_> = share.batches.iter().map(|batch| batch.partition).collect();
        for partition in partitions {
            let Some(Ok(batch)) = packed.get(&partition) else { continue };
            let records = share.records(partition).expect("it was there before");
            let growth = batch.len().saturating_sub(records.len());
            match context.core.request_memory.try_take(growth) {
                Some(memory) => {
                    *records = batch.clone();
                    split.memory.push(memory);
                }
                None => drop(packed.insert(partition, Err(PackError::Memory))),
            }
        }
    }
}

fn refuse(split: &mut Split, packed: &Packed) {
    let mut deferred = Vec::new();
    split.withdraw(|batch| {
        let error = packed.get(&batch.partition)?.as_ref().err()?;
        tracing::debug!(partition = %batch.partition, %error, "batch refused");
        if matches!(error, PackError::Memory) {
            deferred.extend(batch.sequence.map(|sequence| (batch.partition, sequence)));
        }
        Some((error.code(), Some(error.to_string())))
    });
    deferred.into_iter().for_each(|(partition, sequence)| split.defer(partition, sequence));
}

// === impl Packing ===

impl Packing {
    /// What `topic` wants, if that is not what producers send.
    pub(super) fn of(topic: &Topic) -> Option<Self> {
        // Nearly no topic has it set: one look, and not at the table of defaults.
        let wanted = topic.record.configs.get("compression.type")?;
        let level = |name| topic.config(name).and_then(|level| level.parse().ok());
        let codec = match wanted.as_str() {
            "uncompressed" => Compression::None.into(),
            "gzip" => {
                Codec { compression: Compression::Gzip, level: level("compression.gzip.level") }
            }
            "snappy" => Compression::Snappy.into(),
            "lz4" => Codec { compression: Compression::Lz4, level: level("compression.lz4.level") },
            "zstd" => {
                Codec { compression: Compression::Zstd, level: level("compression.zstd.level") }
            }
            _ => return None,
        };
        let max = topic.config("max.message.bytes").and_then(|bytes| bytes.parse().ok());
        Some(Self { codec, batch_bytes_max: max.unwrap_or(usize::MAX) })
    }

    /// Whether a batch must be packed anew. One that has the type already is not touched, whatever its
    /// level, as in Kafka.
    pub(super) fn changes(&self, batch: &BatchView<'_>) -> bool {
        batch.compression().is_ok_and(|compression| compression != self.codec.compression)
    }
}

impl Default for Packers {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors.div_ceil(2))))
    }
}

impl PackError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Records(error) => error.code(),
            Self::Request => ErrorCode::MessageTooLarge,
            // Retriable and definite for every client, as from a front that is full (R28).
            Self::Memory => ErrorCode::NotEnoughReplicas,
        }
    }
}
