//! One leader's term: the only place where the catalogue changes.
//!
//! ```text
//! replay the log ─► append Leader ─► repair the copies ─► serve ──► superseded, drained
//!        ▲                                                  │
//!        └────────── a slot was lost or is undecided ───────┘
//! ```
//!
//! A change is committed by its slot in the metadata log, then copied to the metadata store for
//! everybody to see (R9), then its partitions get nodes, and when those serve it is answered.
//! One command is carried out at a time, up to the waiting for nodes.

mod acls;
mod changes;
mod placement;
mod release;

use std::{sync::Arc, time::Duration};

use hop::Request;
use metadata::settings::SettingKind;
use metadata::settings::quota::{QuotaKey, Table};
use metadata::{
    ClusterView, Entry, MetadataError, MetadataStore,
    keys::Key,
    model::{Beyond, ClusterRecord, Record},
};
use process::{Clock, Drain};
use protocol::{
    ErrorCode,
    ids::{TenantId, TopicId},
};
use segment::Store;
use tenant_keys::KeyWrapper;
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at, sleep_until},
};

use crate::{
    Config,
    admin::{Bounds, TenantBound, producer_ids::Reservation},
    assign::{Assigned, Assigner},
    catalogue::Catalogue,
    command::Command,
    copies::Copies,
    front_choice::Offered,
    guard::{Guard, GuardError},
    limits::RECONCILE_PAUSE,
    meta_log::{MetaLog, MetaLogError, MetaRecord},
    metrics,
    mutations::Mutations,
    opening::Opening,
    standby::retire,
};

/// What every term of this process works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) view: ClusterView,
    pub(crate) store: Store,
    pub(crate) opening: Opening,
    pub(crate) keeper: Arc<dyn KeyWrapper>,
    pub(crate) drain: Drain,
}

/// A leader that knows the whole log.
pub(crate) struct Term {
    parts: Parts,
    log: MetaLog,
    catalogue: Catalogue,
    copies: Copies,
    assigner: Assigner,
    reservation: Reservation,
    mutations: Mutations,
    /// Whether the copies say what the catalogue says.
    in_step: bool,
}

/// Why a term is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The process stops.
    Drained,
    /// This process does not lead any more.
    Superseded,
    /// It may still lead, but not from what it knows of the log.
    Replay,
}

/// Why a term could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    #[error(transparent)]
    Log(#[from] MetaLogError),
    #[error(transparent)]
    Copies(#[from] GuardError),
    /// Whatever was written would be the beginning of a second cluster.
    #[error("the metadata store lost the cluster; `thermocline rebuild --from-bucket` is needed")]
    MetadataLost,
    /// Another cluster leads. All processes of this one are told to leave.
    #[error(
        "the bucket was taken over in generation {generation}, this cluster is of an earlier one; \
         `thermocline demote` makes a standby of it"
    )]
    TakenOver { generation: u16 },
    /// A release was finished that this process does not know.
    #[error(transparent)]
    Beyond(#[from] Beyond),
}

// === impl BeginError ===

impl BeginError {
    /// Whether trying again cannot help.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Log(
                MetaLogError::Foreign { .. } | MetaLogError::Ended(_) | MetaLogError::TooLarge
            ) | Self::TakenOver { .. }
                | Self::Beyond(_)
        )
    }
}

/// Refuses to lead a cluster whose bucket another one has taken (R50), and tells its processes to
/// leave: what they still say to clients may be wrong.
async fn retire_if_over(
    guard: &Guard,
    cluster: &Entry,
    catalogue: &Catalogue,
) -> Result<(), BeginError> {
    let unreadable = |error| MetadataError::Refused(format!("`{}`: {error}", cluster.key));
    let record = ClusterRecord::decode(&cluster.value).map_err(unreadable);
    let record = record.map_err(GuardError::from)?;
    let generation = catalogue.founded().map_or(0, |founded| founded.generation);
    if generation <= record.generation {
        return Ok(());
    }
    // Not if somebody changed it meanwhile: the next attempt looks again.
    retire(guard.metadata(), cluster, record).await.map_err(GuardError::from)?;
    Err(BeginError::TakenOver { generation })
}

// === impl Term ===

impl Term {
    /// Replays the log, takes its next slot and repairs the copies.
    pub(crate) async fn begin(parts: Parts, term: i64) -> Result<Self, BeginError> {
        let guard = Guard::new(Arc::clone(&parts.metadata), term);
        // A former leader must not disturb the log of the present one.
        if !guard.leads().await.map_err(GuardError::from)? {
            return Err(GuardError::Superseded.into());
        }
        let cluster = parts.metadata.get(&Key::Cluster.to_string()).await;
        let cluster = cluster.map_err(GuardError::from)?.ok_or(BeginError::MetadataLost)?;
        let (mut log, records) = MetaLog::open(&parts.store, term.unsigned_abs()).await?;
        let slots = records.len();
        let catalogue = Catalogue::replay(records);
        retire_if_over(&guard, &cluster, &catalogue).await?;
        Beyond::check(catalogue.release(), parts.opening.peers.credentials().releases())?;
        let control_id = parts.config.control_id.clone();
        // From here on no earlier leader's write can follow what was read.
        log.append(&MetaRecord::Leader { control_id }).await?;
        let copies = Copies::new(guard.clone());
        let repaired = copies.repair(&catalogue).await?;
        metrics::term_began();
        metrics::repaired(repaired);
        tracing::info!(term, slots, topics = catalogue.topic_count(), repaired, "control leads");
        let term = Self {
            assigner: Assigner::new(guard, parts.view.clone(), parts.config.default_front),
            parts,
            log,
            catalogue,
            copies,
            reservation: Reservation::default(),
            mutations: Mutations::default(),
            in_step: true,
        };
        term.count();
        Ok(term)
    }

    /// Carries out commands and looks for work until the term is over.
    pub(crate) async fn serve(
        &mut self,
        mut commands: mpsc::Receiver<Command>,
        lost: impl Future<Output = ()>,
    ) -> Ended {
        let draining = self.parts.drain.draining();
        tokio::pin!(lost, draining);
        let mut changed = self.parts.view.changed();
        let mut look_at = Instant::now();
        let every = self.parts.config.reconcile_interval;
        let mut looks = interval_at(Instant::now() + every, every);
        loop {
            let done = tokio::select! {
                () = &mut draining => Err(Ended::Drained),
                () = &mut lost => Err(Ended::Superseded),
                Some(command) = commands.recv() => self.execute(command).await,
                _ = looks.tick() => self.look_at_log().await,
                () = sleep_until(look_at) => {
                    changed.mark_unchanged();
                    look_at = Instant::now() + self.parts.config.reconcile_interval;
                    self.reconcile().await
                }
                Ok(()) = changed.changed() => {
                    look_at = look_at.min(Instant::now() + RECONCILE_PAUSE);
                    Ok(())
                }
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    async fn execute(&mut self, command: Command) -> Result<(), Ended> {
        if command.patience().is_zero() {
            command.refuse(ErrorCode::RequestTimedOut);
            return Ok(());
        }
        if command.gives_to_its_tenant() && !self.catalogue.has_tenant(command.tenant) {
            command.refuse(ErrorCode::ResourceNotFound);
            return Ok(());
        }
        match command.request {
            Request::CreateTopics(_) => self.create_topics(command).await,
            Request::DeleteTopics(_) => self.delete_topics(command).await,
            Request::CreatePartitions(_) => self.create_partitions(command).await,
            Request::IncrementalAlterConfigs(_) => self.alter_configs(command).await,
            Request::AlterUserScramCredentials(_) => self.alter_credentials(command).await,
            Request::ChangeTenant(_) => self.change_tenant(command).await,
            Request::AlterClientQuotas(_) => self.alter_client_quotas(command).await,
            Request::CreateAcls(_) => self.create_acls(command).await,
            Request::DeleteAcls(_) => self.delete_acls(command).await,
            Request::AllocateProducerIds(_) => self.allocate_producer_ids(command).await,
            Request::ChangePlacement(_) => self.change_placement(command).await,
            Request::FinishRelease(_) => self.finish_release(command).await,
            _ => {
                command.refuse(ErrorCode::InvalidRequest);
                Ok(())
            }
        }
    }

    /// Looks whether somebody else has written to the log. Who has nothing to commit would not hear
    /// of a takeover (R50).
    async fn look_at_log(&self) -> Result<(), Ended> {
        match self.log.is_overtaken().await {
            Ok(true) => Err(Ended::Replay),
            // A store that is away says nothing.
            Ok(false) | Err(_) => Ok(()),
        }
    }

    /// Does what no command asks for: brings the copies into step, and gives nodes to partitions
    /// without one.
    async fn reconcile(&mut self) -> Result<(), Ended> {
        self.in_step &= !self.copies.take_doubt();
        if !self.in_step {
            match self.copies.repair(&self.catalogue).await {
                Ok(repaired) => {
                    metrics::repaired(repaired);
                    self.in_step = true;
                }
                Err(error) => return self.copies_failed(&error),
            }
        }
        let assigned = self.assigner.assign_all().await;
        let assigned = self.assigned(assigned)?;
        if !assigned.is_empty() {
            let opened = self.open(assigned, self.parts.config.open_wait);
            self.parts.drain.spawn("control opening", opened);
        }
        Ok(())
    }

    /// Gives nodes to the vacant partitions of these topics. That there is none yet does not
    /// make a creation fail.
    async fn assign(&self, topics: &[(TenantId, TopicId)]) -> Result<Vec<Assigned>, Ended> {
        let assigned = self.assigner.assign(topics).await;
        self.assigned(assigned)
    }

    fn assigned(
        &self,
        assigned: Result<Vec<Assigned>, GuardError>,
    ) -> Result<Vec<Assigned>, Ended> {
        match assigned {
            Ok(assigned) => {
                metrics::assigned(assigned.len());
                Ok(assigned)
            }
            Err(GuardError::Superseded) => Err(Ended::Superseded),
            Err(error) => {
                tracing::warn!(%error, "partitions wait for a node");
                Ok(Vec::new())
            }
        }
    }

    /// Tells the nodes and waits until they serve, the patience or the process ends.
    fn open(
        &self,
        assigned: Vec<Assigned>,
        patience: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (opening, draining) = (self.parts.opening.clone(), self.parts.drain.draining());
        async move {
            tokio::select! {
                () = draining => {}
                _served = opening.open(assigned, patience) => {}
            }
        }
    }

    /// Commits a record to the log, and only then believes it.
    async fn commit(&mut self, record: MetaRecord) -> Result<(), Ended> {
        debug_assert!(record.since() <= self.catalogue.release(), "old readers stop at {record:?}");
        match self.log.append(&record).await {
            Ok(_) => {
                self.catalogue.apply(record);
                self.count();
                Ok(())
            }
            Err(error) => {
                // The next term's first slot decides what became of it.
                tracing::warn!(%error, "metadata log must be read again");
                Err(Ended::Replay)
            }
        }
    }

    /// The log has a change that the copies lack.
    fn copies_failed(&mut self, error: &GuardError) -> Result<(), Ended> {
        if matches!(error, GuardError::Superseded) {
            return Err(Ended::Superseded);
        }
        tracing::warn!(%error, "metadata store is behind the metadata log");
        self.in_step = false;
        Ok(())
    }

    /// What is limited for a tenant and its clients.
    fn quotas(&self, tenant: TenantId) -> Table {
        Table::new(&self.catalogue.settings(tenant, SettingKind::Quota))
    }

    /// What a tenant may have, beside what it may not.
    fn tenant_bound(&self, tenant: TenantId) -> Option<TenantBound> {
        let most = self.quotas(tenant).of_tenant(QuotaKey::Partitions)? as usize;
        let topics = self.catalogue.topics().filter(|topic| topic.tenant == tenant);
        let has: usize = topics.map(|topic| usize::try_from(topic.partitions).unwrap_or(0)).sum();
        let full_at = self.catalogue.partition_count() + most.saturating_sub(has);
        Some(TenantBound { most, full_at })
    }

    fn bounds(&self, tenant: TenantId) -> Bounds {
        let config = &self.parts.config;
        let nodes = self.parts.view.nodes();
        Bounds {
            offered: Offered::by(nodes.iter().map(AsRef::as_ref)),
            default_partitions: config.default_partitions,
            partitions_per_topic_max: config.partitions_per_topic_max,
            partitions_max: config.partitions_max,
            of_tenant: self.tenant_bound(tenant),
        }
    }

    fn count(&self) {
        metrics::catalogue(self.catalogue.topic_count(), self.catalogue.partition_count());
    }

    /// How long a command may wait for nodes.
    fn open_wait(&self, command: &Command) -> Duration {
        command.patience().min(self.parts.config.open_wait)
    }
}
