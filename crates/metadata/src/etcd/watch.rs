//! A watch that outlives its connection.
//!
//! ```text
//! Disconnected => Streaming     watch from the next revision, on the best endpoint
//! Streaming => Disconnected     the stream ended or failed: resume after what was delivered
//! Streaming => over             the server compacted what comes next: Watched::Compacted
//! ```
//!
//! Resuming is exact because a revision is never split over two messages (fragments are off).

use std::{collections::VecDeque, sync::Arc};

use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream as EtcdStream};
use tokio::time::{sleep, timeout};

use super::{Inner, error::Failure, prefix_end};
use crate::{
    limits::{ETCD_TIMEOUT, GRPC_MESSAGE_BYTES_MAX, WATCH_RETRY},
    store::{Event, MetadataError, WatchBatch, WatchStream, Watched},
};

/// Follows everything under `prefix`, a full etcd key prefix.
pub(super) fn watch(inner: Arc<Inner>, prefix: String, from_revision: i64) -> WatchStream {
    let follower =
        Follower { inner, prefix, next: from_revision, stream: None, pending: VecDeque::new() };
    WatchStream::new(futures::stream::unfold(follower, |mut follower| async {
        let watched = follower.advance().await;
        Some((watched, follower))
    }))
}

struct Follower {
    inner: Arc<Inner>,
    prefix: String,
    /// The first revision not delivered yet.
    next: i64,
    stream: Option<(usize, EtcdStream)>,
    /// Received and not delivered yet.
    pending: VecDeque<WatchBatch>,
}

impl Follower {
    async fn advance(&mut self) -> Watched {
        loop {
            if let Some(batch) = self.pending.pop_front() {
                self.next = batch.revision + 1;
                return Watched::Batch(batch);
            }
            match self.receive().await {
                Ok(()) => {}
                Err(Failure::Compacted) => {
                    self.stream = None;
                    return Watched::Compacted;
                }
                Err(failure) => self.disconnect(&failure).await,
            }
        }
    }

    /// Waits for one message, connecting first if need be.
    async fn receive(&mut self) -> Result<(), Failure> {
        let (endpoint, stream) = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(connect(&self.inner, &self.prefix, self.next).await?),
        };
        let response = stream.message().await?;
        let response = response.ok_or_else(|| Failure::NoAnswer("watch ended".to_owned()))?;
        if response.canceled() {
            return Err(match response.compact_revision() {
                0 => Failure::NoAnswer(format!("watch cancelled: {}", response.cancel_reason())),
                _ => Failure::Compacted,
            });
        }
        self.inner.endpoints.answered(*endpoint);
        self.pending.extend(batches(&self.inner, &response, self.next)?);
        Ok(())
    }

    async fn disconnect(&mut self, failure: &Failure) {
        if let Some((endpoint, _)) = self.stream.take() {
            self.inner.endpoints.failed(endpoint, &format!("{failure:?}"));
        }
        sleep(WATCH_RETRY).await;
    }
}

async fn connect(inner: &Inner, prefix: &str, from: i64) -> Result<(usize, EtcdStream), Failure> {
    let (endpoint, client) = inner.endpoints.client_for_stream().await?;
    let options = WatchOptions::new().with_range(prefix_end(prefix)).with_start_revision(from);
    let mut client = client.watch_client().max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX);
    let opened = timeout(ETCD_TIMEOUT, client.watch(prefix, Some(options))).await;
    let opened = match opened {
        Ok(opened) => opened.map_err(Failure::from),
        Err(_) => Err(Failure::NoAnswer("no answer in time".to_owned())),
    };
    if let Err(failure) = &opened {
        inner.endpoints.failed(endpoint, &format!("{failure:?}"));
    }
    Ok((endpoint, opened?))
}

/// Splits a message into revisions, without those already delivered.
fn batches(inner: &Inner, response: &WatchResponse, next: i64) -> Result<Vec<WatchBatch>, Failure> {
    let foreign = |error: MetadataError| Failure::Refused(error.to_string());
    let mut batches: Vec<WatchBatch> = Vec::new();
    for event in response.events() {
        let Some(kv) = event.kv() else { continue };
        let revision = kv.mod_revision();
        if revision < next {
            continue;
        }
        let event = match event.event_type() {
            EventType::Put => Event::Put(inner.entry(kv).map_err(foreign)?),
            EventType::Delete => Event::Delete {
                key: inner.strip(kv.key()).map_err(foreign)?,
                mod_revision: revision,
            },
        };
        match batches.last_mut() {
            Some(batch) if batch.revision == revision => batch.events.push(event),
            _ => batches.push(WatchBatch { revision, events: vec![event] }),
        }
    }
    Ok(batches)
}
