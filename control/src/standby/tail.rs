//! Standing by: follow the metadata log until the own metadata store has a cluster.

use std::sync::Arc;

use metadata::{
    LeaseId, MetadataError, MetadataStore, Txn,
    keys::Key,
    model::{Record, StandbyRecord},
};
use segment::Store;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::StandbyConfig;
use crate::{
    catalogue::Catalogue,
    limits::{STANDBY_LEASE, STANDBY_WORD},
    meta_log::{MetaLogError, MetaTail},
    metrics,
};

/// Why a site cannot stand by.
#[derive(Debug, thiserror::Error)]
pub enum StandbyError {
    /// The metadata log holds what this version does not understand, or was closed.
    #[error(transparent)]
    Log(#[from] MetaLogError),
}

/// Follows the bucket's metadata log, at most `poll` and one GET behind, until this site has been
/// promoted; returns at once where it serves already. `caught_up` is called once.
///
/// What it reads is held in memory only: a promotion reads the log again, to its end (R54). This is
/// what shows beforehand that it can be read, from here, by this version.
pub async fn stand_by(
    config: &StandbyConfig,
    metadata: &Arc<dyn MetadataStore>,
    store: &Store,
    caught_up: impl FnOnce(),
) -> Result<(), StandbyError> {
    metrics::describe();
    let mut standby = Standby {
        tail: MetaTail::new(store),
        catalogue: Catalogue::default(),
        word: Word { site: config.site.clone(), metadata: Arc::clone(metadata), said: None },
    };
    let (mut caught_up, mut reached) = (Some(caught_up), Instant::now());
    let mut polls = interval(config.poll);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let looked = polls.tick().await;
        if standby.is_promoted().await {
            metrics::stands_by(None);
            return Ok(());
        }
        match standby.catch_up().await {
            Ok(()) => {
                // As of the moment before reading: what was appended since is not known.
                reached = looked;
                if let Some(caught_up) = caught_up.take() {
                    tracing::info!(site = config.site, "standing by");
                    caught_up();
                }
            }
            Err(error @ (MetaLogError::Foreign { .. } | MetaLogError::Ended(_))) => {
                return Err(error.into());
            }
            Err(error) => tracing::warn!(%error, "the metadata log is not followed"),
        }
        metrics::stands_by(Some(reached.elapsed()));
        standby.word.say(standby.tail.next_slot()).await;
    }
}

struct Standby {
    tail: MetaTail,
    catalogue: Catalogue,
    word: Word,
}

impl Standby {
    async fn is_promoted(&self) -> bool {
        let cluster = self.word.metadata.get(&Key::Cluster.to_string()).await;
        // A store that is away says nothing.
        matches!(cluster, Ok(Some(_)))
    }

    async fn catch_up(&mut self) -> Result<(), MetaLogError> {
        for record in self.tail.read().await? {
            self.catalogue.apply(record);
        }
        metrics::catalogue(self.catalogue.topic_count(), self.catalogue.partition_count());
        Ok(())
    }
}

/// What the other processes of the site, and operators, see: somebody stands by here.
struct Word {
    site: String,
    metadata: Arc<dyn MetadataStore>,
    said: Option<(LeaseId, Instant)>,
}

impl Word {
    async fn say(&mut self, next_slot: u64) {
        let said = self.said.take();
        if let Some((_, at)) = said
            && at.elapsed() < STANDBY_WORD
        {
            self.said = said;
            return;
        }
        match self.renew(said.map(|(lease, _)| lease), next_slot).await {
            Ok(lease) => self.said = Some((lease, Instant::now())),
            Err(error) => tracing::warn!(%error, "the metadata store does not know of the standby"),
        }
    }

    async fn renew(
        &self,
        lease: Option<LeaseId>,
        next_slot: u64,
    ) -> Result<LeaseId, MetadataError> {
        let lease = match lease {
            Some(lease) if self.metadata.keep_alive(lease).await.is_ok() => lease,
            _ => self.metadata.grant_lease(STANDBY_LEASE).await?,
        };
        let record = StandbyRecord { site: self.site.clone(), next_slot };
        let txn = Txn::new().when_absent(Key::Cluster);
        // A conflict: the site has just been promoted.
        let _said = self.metadata.txn(txn.put_leased(Key::Standby, record.encode(), lease)).await?;
        Ok(lease)
    }
}

const _: () = assert!(STANDBY_WORD.as_millis() * 3 <= STANDBY_LEASE.as_millis());
