//! The catalogue's copies in the metadata store, for everybody to watch (R9).
//!
//! Only the leader writes them, and only after the log has what they say. A crash in between
//! leaves them behind the log; the next leader's [`Copies::repair`] brings them up to it.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use metadata::{
    Listing, MetadataError, Txn,
    keys::{self, Key},
    model::{ClusterRecord, ProducerIdRecord, Record, TopicRecord},
    settings::{SETTINGS, SettingKey},
};
use protocol::ids::TopicId;
use tokio::time::{Instant, sleep};

use crate::{
    catalogue::Catalogue,
    guard::{Guard, GuardError},
    limits::{COPY_PATIENCE, COPY_PAUSE, OPS_PER_TXN},
};

/// Writes the copies of one term.
pub(crate) struct Copies {
    guard: Guard,
    /// Something was written more than once since this was last asked.
    doubtful: AtomicBool,
}

/// One change of a key.
enum Write {
    Put(String, Bytes),
    Delete(String),
}

impl Copies {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard, doubtful: AtomicBool::new(false) }
    }

    /// Whether what was written must be compared with the catalogue, for once.
    pub(crate) fn take_doubt(&self) -> bool {
        self.doubtful.swap(false, Ordering::Relaxed)
    }

    /// Shows these topics, new or changed. Returns the revision at which all are there.
    pub(crate) async fn put_topics(&self, topics: &[TopicRecord]) -> Result<i64, GuardError> {
        self.write(topics.iter().map(put_topic).collect()).await
    }

    /// Shows these topics no more, nor their assignments.
    pub(crate) async fn delete_topics(&self, topics: &[TopicRecord]) -> Result<i64, GuardError> {
        let key = |topic: &TopicRecord| Key::Topic(topic.tenant, topic.id).to_string();
        // Topics first: an assignment without a topic is nobody's.
        self.write(topics.iter().map(|topic| Write::Delete(key(topic))).collect()).await?;
        let mut orphans = Vec::new();
        for topic in topics {
            let prefix = keys::partitions_of(topic.id);
            let listing = self.guard.metadata().list(&prefix).await?;
            orphans.extend(listing.entries.into_iter().map(|entry| Write::Delete(entry.key)));
        }
        self.write(orphans).await
    }

    /// Shows how far producer ids are reserved.
    pub(crate) async fn put_producer_ids(&self, next: i64) -> Result<i64, GuardError> {
        let record = ProducerIdRecord { next };
        self.write(vec![Write::Put(Key::ProducerIds.into(), record.encode())]).await
    }

    /// Shows these settings, new or changed, and those without a value no more.
    pub(crate) async fn put_settings(
        &self,
        changes: &[(SettingKey, Option<Bytes>)],
    ) -> Result<i64, GuardError> {
        let write = |(key, value): &(SettingKey, Option<Bytes>)| match value {
            Some(value) => Write::Put(key.to_string(), value.clone()),
            None => Write::Delete(key.to_string()),
        };
        self.write(changes.iter().map(write).collect()).await
    }

    /// Shows which release's formats may be written, in the cluster's record; nothing of it is ever
    /// taken back. Returns how many keys were wrong.
    pub(crate) async fn show_release(&self, catalogue: &Catalogue) -> Result<usize, GuardError> {
        let key = Key::Cluster.to_string();
        let Some(entry) = self.guard.metadata().get(&key).await? else { return Ok(0) };
        let unreadable = |error| MetadataError::Refused(format!("`{key}`: {error}"));
        let record = ClusterRecord::decode(&entry.value).map_err(unreadable)?;
        if record.release >= catalogue.release() {
            return Ok(0);
        }
        let record = ClusterRecord { release: catalogue.release(), ..record };
        let txn = Txn::new().when_mod(Key::Cluster, entry.mod_revision);
        self.guard.commit(txn.put(Key::Cluster, record.encode())).await?;
        Ok(1)
    }

    /// Makes the copies say what the catalogue says. Returns how many keys were wrong.
    pub(crate) async fn repair(&self, catalogue: &Catalogue) -> Result<usize, GuardError> {
        let topics = self.guard.metadata().list(keys::TOPICS).await?;
        let mut writes = topic_repairs(catalogue, topics);
        let assignments = self.guard.metadata().list(keys::PARTITIONS).await?;
        writes.extend(orphans(catalogue, assignments));
        let next = catalogue.next_producer_id();
        let shown = self.guard.metadata().get(&Key::ProducerIds.to_string()).await?;
        let encoded = ProducerIdRecord { next }.encode();
        if next > 0 && shown.is_none_or(|entry| entry.value != encoded) {
            writes.push(Write::Put(Key::ProducerIds.into(), encoded));
        }
        let settings = self.guard.metadata().list(SETTINGS).await?;
        writes.extend(setting_repairs(catalogue, settings));
        let wrong = writes.len();
        self.write(writes).await?;
        Ok(wrong + self.show_release(catalogue).await?)
    }

    /// Writes in transactions of a legal size. Repeating any of them is harmless.
    async fn write(&self, writes: Vec<Write>) -> Result<i64, GuardError> {
        let mut revision = 0;
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            let some = writes.by_ref().take(OPS_PER_TXN);
            let txn = some.fold(Txn::new(), |txn, write| match write {
                Write::Put(key, value) => txn.put(key, value),
                Write::Delete(key) => txn.delete(key),
            });
            revision = self.commit(txn).await?;
        }
        Ok(revision)
    }

    /// Outlasts a member of the store that dies. An attempt of unknown outcome may be applied as late
    /// as after a later change, so what was written more than once is to be looked at again.
    async fn commit(&self, txn: Txn) -> Result<i64, GuardError> {
        let until = Instant::now() + COPY_PATIENCE;
        loop {
            match self.guard.commit(txn.clone()).await {
                Err(GuardError::Metadata(error))
                    if error.is_retriable() && Instant::now() < until =>
                {
                    tracing::info!(%error, "the copies are written once more");
                    self.doubtful.store(true, Ordering::Relaxed);
                    sleep(COPY_PAUSE).await;
                }
                done => return done,
            }
        }
    }
}

fn put_topic(topic: &TopicRecord) -> Write {
    Write::Put(Key::Topic(topic.tenant, topic.id).into(), topic.encode())
}

/// Topics that are missing or different, and copies of topics that are gone.
fn topic_repairs(catalogue: &Catalogue, listing: Listing) -> Vec<Write> {
    let mut right = HashSet::<TopicId>::new();
    let mut writes = Vec::new();
    for entry in listing.entries {
        let topic = match Key::parse(&entry.key) {
            Some(Key::Topic(tenant, id)) => catalogue.by_id(tenant, id),
            _ => None,
        };
        match topic {
            Some(topic) if topic.encode() == entry.value => drop(right.insert(topic.id)),
            Some(_) => {}
            None => writes.push(Write::Delete(entry.key)),
        }
    }
    writes.extend(catalogue.topics().filter(|topic| !right.contains(&topic.id)).map(put_topic));
    writes
}

/// Settings that are missing or different, and copies of settings that are gone.
fn setting_repairs(catalogue: &Catalogue, listing: Listing) -> impl Iterator<Item = Write> {
    let shown = listing.entries.into_iter().map(|entry| (entry.key, entry.value));
    let mut shown: HashMap<String, Bytes> = shown.collect();
    let mut writes = Vec::new();
    for (key, value) in catalogue.all_settings() {
        let key = key.to_string();
        if shown.remove(&key).as_ref() != Some(value) {
            writes.push(Write::Put(key, value.clone()));
        }
    }
    writes.into_iter().chain(shown.into_keys().map(Write::Delete))
}

/// Assignments of topics that are gone.
fn orphans(catalogue: &Catalogue, listing: Listing) -> impl Iterator<Item = Write> {
    let is_orphan = |key: &str| match Key::parse(key) {
        Some(Key::Partition(topic, _)) => catalogue.topic(topic).is_none(),
        _ => true,
    };
    listing
        .entries
        .into_iter()
        .filter(move |entry| is_orphan(&entry.key))
        .map(|entry| Write::Delete(entry.key))
}
