//! Promotion: the bucket gets another cluster, and the one before it can acknowledge nothing more.
//!
//! ```text
//! 1 TAKEOVER   next slot of the metadata log        the old control cannot commit (R50)
//! 2 FENCE      g/{generation}                       no node of before begins an incarnation
//! 3 END        of every log without END             no incarnation of before acknowledges
//! 4 SEED       topics, owners and epochs into the own metadata store
//! 5 PUBLISH    the cluster's record                 nodes join and claim, gateways serve
//! ```
//!
//! Each step may be repeated, and a promotion that broke off after any of them is simply run again:
//! the log says that this site has taken over, so it goes on in the same generation. Two sites that
//! promote at once meet at step 1, where the slot chooses one. Until step 1 nothing has happened;
//! after it the other cluster may go on acknowledging until step 3, and all of that is kept (R51).

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, future::BoxFuture};
use metadata::MetadataStore;
use segment::{
    LogId, Store, StoreError,
    ceiling::GapError,
    index::IndexError,
    manifest::{ClaimError, CommitError, LoadError},
    seqlog::ReadError,
};

use super::{
    loss,
    prospect::{AtRisk, OpenLog, Prospect, at_risk, last_incarnations, standing_of},
};
use crate::{
    catalogue::{Catalogue, Founded},
    limits::ENDS_IN_FLIGHT,
    meta_log::{MetaLog, MetaLogError, MetaRecord},
    rebuild::{RebuildError, fill, refuse_if_in_use, survey::Survey},
};

/// Ends incarnations whose front is in the bucket: control never touches a front itself.
pub trait Ender: Send + Sync {
    /// Seals the front, uploads what its log lacks and places END. Success if it has ended, whoever
    /// ended it; otherwise why not.
    fn end(&self, log: LogId) -> BoxFuture<'_, Result<(), String>>;
}

/// The means of a promotion.
pub struct Promotion {
    /// This site's own metadata store. Must be empty but for what a promotion before this one left.
    pub metadata: Arc<dyn MetadataStore>,
    /// The bucket of both clusters.
    pub store: Store,
    /// This site.
    pub site: String,
    /// What ends logs.
    pub ender: Arc<dyn Ender>,
    /// Whether records that are not in the bucket may be given up.
    pub accept_loss: bool,
}

/// A step that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The metadata log says so.
    TakenOver {
        /// The generation of this site's cluster.
        generation: u16,
    },
    /// No node of before begins again.
    Fenced,
    /// A log was ended whose node may have acknowledged more than this: the rest is given up.
    GivenUp(AtRisk),
    /// Every incarnation of before is over.
    Ended {
        /// Those that were not, before this.
        logs: usize,
    },
    /// The metadata store holds everything but the cluster's record.
    Surveyed {
        /// Partitions that somebody owned.
        owned: usize,
    },
    /// The cluster is this site's.
    Published,
}

/// What a promotion came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    /// The cluster, as clients know it.
    pub cluster_id: String,
    /// Its new generation.
    pub generation: u16,
    /// Topics of all tenants, internal ones included.
    pub topics: usize,
    /// Their partitions.
    pub partitions: usize,
    /// Logs that were ended for it.
    pub logs: usize,
}

/// Why a site was not promoted.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// Records would be lost.
    #[error(
        "{count} of the other cluster's nodes keep records on disks that are not in the bucket; \
         stop those nodes in order, so that they upload them, bring them back, or give these \
         records up with --accept-loss",
        count = .0.len()
    )]
    AtRisk(Vec<AtRisk>),
    /// Somebody else was faster.
    #[error("another takeover was faster: the bucket is in generation {generation}{by}")]
    Overtaken {
        /// Whose it is now.
        generation: u16,
        /// Which site's, in words.
        by: String,
    },
    /// A log could not be ended.
    #[error("log {log} is not ended, run the promotion again: {reason}")]
    NotEnded {
        /// The log.
        log: LogId,
        /// Why not.
        reason: String,
    },
    /// The metadata store or what it is to be filled with.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The metadata log failed.
    #[error(transparent)]
    Log(#[from] MetaLogError),
    /// Offsets could not be reserved.
    #[error(transparent)]
    Gap(#[from] GapError),
    /// A manifest does not admit a claim.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// A manifest could not be changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A log's index cannot be read.
    #[error(transparent)]
    Index(IndexError),
    /// A manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] LoadError),
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for PromoteError {
    fn from(ReadError::Store(error): ReadError) -> Self {
        Self::Store(error)
    }
}

/// A generation that this site has begun.
pub(super) struct Takeover {
    pub(super) catalogue: Catalogue,
    pub(super) generation: u16,
}

// === impl Promotion ===

impl Promotion {
    /// What a promotion would find. Writes nothing.
    pub async fn look(&self) -> Result<Prospect, PromoteError> {
        let (log, catalogue) = self.read_log().await?;
        let Founded { cluster_id, generation, site, .. } = self.founded(&catalogue)?.clone();
        let last = last_incarnations(&self.store, u32::from(generation) + 1).await?;
        let open = standing_of(&self.store, last).await?.open;
        let (ours, risky): (Vec<_>, Vec<_>) = open.into_iter().partition(OpenLog::is_in_bucket);
        Ok(Prospect {
            cluster_id,
            generation,
            site,
            topics: catalogue.topic_count(),
            partitions: catalogue.partition_count(),
            slots: log.next_slot(),
            open: ours.len(),
            at_risk: at_risk(&self.store, &catalogue, risky).await?,
        })
    }

    /// Takes the bucket over, saying which step is done.
    pub async fn run(&self, say: impl Fn(Step) + Sync) -> Result<Promoted, PromoteError> {
        refuse_if_in_use(&*self.metadata).await?;
        let prospect = self.look().await?;
        if !prospect.at_risk.is_empty() && !self.accept_loss {
            return Err(PromoteError::AtRisk(prospect.at_risk));
        }
        let Takeover { catalogue, generation } = self.take_over(prospect.generation).await?;
        say(Step::TakenOver { generation });
        self.fence(generation).await?;
        say(Step::Fenced);
        let (survey, logs) = self.end_all(&catalogue, generation, &say).await?;
        say(Step::Ended { logs });
        say(Step::Surveyed { owned: survey.owned.len() });
        let record = fill(&*self.metadata, &catalogue, &survey).await?;
        say(Step::Published);
        Ok(Promoted {
            cluster_id: record.cluster_id,
            generation,
            topics: catalogue.topic_count(),
            partitions: catalogue.partition_count(),
            logs,
        })
    }

    /// Begins the generation after `seen`, or finds that this site has begun it.
    pub(super) async fn take_over(&self, seen: u16) -> Result<Takeover, PromoteError> {
        loop {
            let (mut log, mut catalogue) = self.read_log().await?;
            let founded = self.founded(&catalogue)?;
            let (now, site) = (founded.generation, founded.site.clone());
            // Begun and not completed: once a cluster has a record, it has a leader.
            if site.as_ref() == Some(&self.site) && !founded.led {
                return Ok(Takeover { catalogue, generation: now });
            }
            if now != seen {
                let by = site.map(|site| format!(", site `{site}`")).unwrap_or_default();
                return Err(PromoteError::Overtaken { generation: now, by });
            }
            let next = now.checked_add(1).ok_or(RebuildError::LastGeneration(now))?;
            let record = MetaRecord::TakenOver { generation: next, site: self.site.clone() };
            match log.append(&record).await {
                Ok(_) => {
                    catalogue.apply(record);
                    return Ok(Takeover { catalogue, generation: next });
                }
                // The other cluster's control has committed something, or another site was faster.
                Err(MetaLogError::Overtaken) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn fence(&self, generation: u16) -> Result<(), PromoteError> {
        Ok(segment::generation::begin(&self.store, u32::from(generation)).await?)
    }

    /// Ends every incarnation of before. Who owns what is looked at after that, for until then it may
    /// change (R3); also, how many logs had to be ended.
    pub(super) async fn end_all(
        &self,
        catalogue: &Catalogue,
        generation: u16,
        say: &(impl Fn(Step) + Sync),
    ) -> Result<(Survey, usize), PromoteError> {
        let next = u32::from(generation);
        let mut ended = 0;
        loop {
            let last = last_incarnations(&self.store, next).await?;
            let mut open = standing_of(&self.store, last).await?.open;
            if open.is_empty() {
                let survey = Survey::of(catalogue, &self.store).await?;
                // One that a metadata store forgot, which went back to an older revision.
                let owners = survey.owners.keys().filter(|log| log.generation < next).copied();
                let standing = standing_of(&self.store, owners.collect()).await?;
                open = standing.open;
                if open.is_empty() && standing.given_up.is_empty() {
                    return Ok((survey, ended));
                }
                loss::reserve(&self.store, &survey.owners, &standing.given_up, next).await?;
            }
            ended += open.len();
            self.end(catalogue, open, say).await?;
        }
    }

    async fn end(
        &self,
        catalogue: &Catalogue,
        open: Vec<OpenLog>,
        say: &(impl Fn(Step) + Sync),
    ) -> Result<(), PromoteError> {
        let (ours, risky): (Vec<_>, Vec<_>) = open.into_iter().partition(OpenLog::is_in_bucket);
        if !risky.is_empty() && !self.accept_loss {
            return Err(PromoteError::AtRisk(at_risk(&self.store, catalogue, risky).await?));
        }
        for OpenLog { log, .. } in &risky {
            loss::give_up(&self.store, *log).await?;
        }
        // What they have stored does not change any more.
        for lost in at_risk(&self.store, catalogue, risky).await? {
            say(Step::GivenUp(lost));
        }
        let ends = ours.into_iter().map(|OpenLog { log, .. }| async move {
            self.ender.end(log).await.map_err(|reason| PromoteError::NotEnded { log, reason })
        });
        // Collected: a stream that borrows is not `Send`.
        let ends: Vec<_> = ends.collect();
        futures::stream::iter(ends).buffer_unordered(ENDS_IN_FLIGHT).try_collect().await
    }

    async fn read_log(&self) -> Result<(MetaLog, Catalogue), PromoteError> {
        let (log, records) = MetaLog::open(&self.store, 0).await?;
        Ok((log, Catalogue::replay(records)))
    }

    fn founded<'a>(&self, catalogue: &'a Catalogue) -> Result<&'a Founded, PromoteError> {
        let url = self.store.url().to_owned();
        catalogue.founded().ok_or(PromoteError::Rebuild(RebuildError::NoCluster { url }))
    }
}
