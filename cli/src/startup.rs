//! What every role does before its own work: log, metrics, admin endpoint, metadata, store.
//!
//! Each step that can fail names the configuration key and the fix.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::FutureExt as _;
use hop::{ClusterSecret, ClusterTls, Credentials, Peers, Role};
use metadata::model::{Beyond, ProcessRecord, Record};
use metadata::{ClusterView, MetadataStore, Over, keys, keys::Key, presence};
use process::{Clock, Drain, admin};
use tenant_keys::KeyFile;
use tokio::net::TcpListener;
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::files::{ClusterConfig, Http, Log, LogFormat, Metadata};

/// How long a role waits for control to have founded the cluster.
const FOUNDING_WAIT: Duration = Duration::from_secs(60);
/// How long readiness waits for the node's partitions.
const OPENING_WAIT: Duration = Duration::from_secs(15);
/// How long a process may take to finish what is in flight after SIGTERM.
const DRAIN_DEADLINE: Duration = Duration::from_secs(30);
/// And the admin endpoint and hop connections after that.
const PLUMBING_DEADLINE: Duration = Duration::from_secs(2);

/// The parts all roles share.
pub(crate) struct Process {
    pub(crate) clock: Clock,
    pub(crate) readiness: admin::Readiness,
    /// What takes requests from clients: drains first, while everything behind it still works.
    pub(crate) front_door: Drain,
    /// Roles hang their tasks here; it drains before `plumbing` does.
    pub(crate) roles: Drain,
    /// Admin endpoint, metadata view and hop connections: needed until the roles are done.
    pub(crate) plumbing: Drain,
}

/// A role's place in its cluster.
pub(crate) struct Membership {
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) view: ClusterView,
    pub(crate) peers: Peers,
    /// The generation of the cluster that it joined.
    generation: u16,
}

impl Membership {
    /// Waits until this process has to leave the cluster: its metadata was rebuilt, its bucket
    /// taken over, or a release finished that this process does not know.
    pub(crate) fn over(&self) -> impl Future<Output = Over> + Send + use<> {
        let (view, generation) = (self.view.clone(), self.generation);
        let releases = self.peers.credentials().releases();
        async move { view.over_since(generation, releases).await }
    }
}

impl Process {
    /// Installs log and metrics and serves the admin endpoint.
    pub(crate) async fn start(role: &str, http: &Http, log: &Log) -> Result<Self> {
        install_log(log)?;
        raise_file_limit();
        let plumbing = Drain::new();
        let metrics = admin::install_metrics(&plumbing)?;
        let readiness = admin::Readiness::new();
        let listener = bind(http.listen, "http.listen").await?;
        let address = listener.local_addr()?;
        let serve = admin::serve(listener, metrics, readiness.clone(), plumbing.clone());
        plumbing.spawn("admin endpoint", serve);
        info!(role, version = env!("CARGO_PKG_VERSION"), http = %address, "starting");
        let (front_door, roles) = (Drain::new(), Drain::new());
        Ok(Self { clock: Clock::system(), readiness, front_door, roles, plumbing })
    }

    /// Waits for SIGTERM or SIGINT, then drains. The same when the process has to leave the cluster:
    /// where that was rebuilt, it joins with the new secret when it is started again.
    pub(crate) async fn run_until_told(self, over: impl Future<Output = Over>) -> Result<()> {
        self.run_until(over, std::future::pending::<Result<()>>()).await
    }

    /// As [`Self::run_until_told`], and waits for `role` to end in order. A role that ends before
    /// is an error: whoever supervises the process starts it again.
    pub(crate) async fn run_until<E>(
        self,
        over: impl Future<Output = Over>,
        role: impl Future<Output = Result<(), E>>,
    ) -> Result<()>
    where
        anyhow::Error: From<E>,
    {
        tokio::pin!(role);
        let signal = tokio::select! {
            signal = termination() => signal?,
            ended = &mut role => {
                self.shut_down().await;
                ended?;
                bail!("the role ended by itself");
            }
            over = over => {
                info!(?over, "this cluster is over: draining");
                self.shut_down().await;
                match over {
                    Over::Rebuilt { generation } => bail!(
                        "the cluster was rebuilt, it is in generation {generation} now; start again \
                         to join it"
                    ),
                    Over::TakenOver => bail!(TAKEN_OVER),
                    Over::Outgrown(beyond) => bail!(beyond),
                }
            }
        };
        info!(signal, deadline = ?DRAIN_DEADLINE, "draining");
        if !self.shut_down().await {
            bail!("shutdown: work was still in flight after {DRAIN_DEADLINE:?}");
        }
        tokio::select! {
            biased;
            ended = &mut role => ended?,
            () = std::future::ready(()) => {}
        }
        info!("stopped");
        Ok(())
    }

    /// Does `work` unless SIGTERM or SIGINT comes first; `None` then, and nothing runs any more.
    pub(crate) async fn unless_told<T>(&self, work: impl Future<Output = T>) -> Result<Option<T>> {
        let signal = tokio::select! {
            done = work => return Ok(Some(done)),
            signal = termination() => signal?,
        };
        self.shut_down().await;
        info!(signal, "stopped");
        Ok(None)
    }

    async fn shut_down(&self) -> bool {
        let doors = self.front_door.finish(DRAIN_DEADLINE).await;
        let roles = self.roles.finish(DRAIN_DEADLINE).await;
        self.plumbing.finish(PLUMBING_DEADLINE).await;
        doors && roles
    }
}

/// Opens the metadata store; an unreachable one is an error that names `metadata.url`.
pub(crate) async fn open_metadata(section: &Metadata) -> Result<Arc<dyn MetadataStore>> {
    metadata::open_over(&section.url, section.etcd_tls()?)
        .await
        .with_context(|| format!("metadata.url = \"{}\" cannot be used", section.url))
}

/// What becomes of a cluster whose bucket another one has.
const TAKEN_OVER: &str = "this cluster's bucket was taken over by another site and nothing is served \
    here any more; `thermocline demote` makes a standby of it";

/// Joins the cluster that control founded in this metadata store. Where a control process stands by,
/// that is when it is promoted, however long it takes.
pub(crate) async fn join(
    store: Arc<dyn MetadataStore>,
    role: Role,
    config: &ClusterConfig,
    plumbing: &Drain,
) -> Result<Membership> {
    let tls = cluster_tls(config, role, plumbing).await?;
    // A command acts as whoever its file is of: on control's machine, as control.
    let role = tls.as_ref().map_or(role, |tls| tls.identity().role());
    let view = ClusterView::start(Arc::clone(&store), plumbing).await?;
    let cluster = loop {
        if let Some(cluster) = view.wait_for_cluster(FOUNDING_WAIT).await {
            break cluster;
        }
        if store.get(&Key::Standby.to_string()).await?.is_none() {
            bail!(
                "no cluster in the metadata store after {FOUNDING_WAIT:?}; start `thermocline \
                 control` with the same metadata.url"
            );
        }
        info!("standing by until this site is promoted");
    };
    if cluster.retired {
        bail!(TAKEN_OVER);
    }
    let releases = config.releases()?;
    Beyond::check(cluster.release, releases)?;
    let credentials = Credentials::new(ClusterSecret::new(&cluster.secret), tls);
    let peers = Peers::new(role, credentials.limited_to(releases), plumbing.clone());
    Ok(Membership { metadata: store, view, peers, generation: cluster.generation })
}

/// Says of which release this process is, for roles that register nothing else.
pub(crate) fn announce(process: &Process, member: &Membership, role: Role) {
    let release = member.peers.credentials().releases().newest();
    let record = ProcessRecord { role: role.name().to_owned(), release };
    let mut name = [0; 8];
    aws_lc_rs::rand::fill(&mut name).expect("the system has randomness");
    let key = keys::process(&format!("{role}-{:016x}", u64::from_be_bytes(name)));
    let (metadata, drain) = (Arc::clone(&member.metadata), process.roles.clone());
    let kept = presence::keep(metadata, key, record.encode(), drain);
    process.roles.spawn("registration", kept);
}

/// Loads the certificates for other processes, if there are any, and follows them. A role's must be
/// of that role; a command takes what there is.
pub(crate) async fn cluster_tls(
    config: &ClusterConfig,
    role: Role,
    drain: &Drain,
) -> Result<Option<ClusterTls>> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let tls = ClusterTls::start(tls.files(), Clock::system(), drain).await;
    let tls = tls.context("`[cluster.tls]`")?;
    let identity = tls.identity();
    if role != Role::Operator && identity.role() != role {
        bail!("`[cluster.tls]`: the certificate is that of {identity}, and this is a {role}");
    }
    Ok(Some(tls))
}

/// Says so if records and secrets can be read on the way to this process.
pub(crate) fn warn_if_plain(config: &ClusterConfig, key: &str, listen: &str) {
    if config.tls.is_none() && !is_loopback(listen) {
        tracing::warn!(
            "{key} = \"{listen}\" is no loopback address, and the processes of this cluster speak \
             plain text; set [cluster.tls] unless the network is trusted"
        );
    }
}

/// Whether `host:port` is of this machine alone.
pub(crate) fn is_loopback(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Opens the object store and proves that its conditional writes are atomic (R16).
pub(crate) async fn open_store(
    config: &segment::StoreConfig,
    role: &'static str,
) -> Result<segment::Store> {
    let store = segment::Store::open(config, role)?;
    segment::probe(&store, segment::ProbeSize::Quick).await?;
    Ok(store)
}

/// Puts the keys of tenants into the store's keyring, and keeps them like the settings say.
///
/// A key that does not unwrap is logged and counted, and no reason not to start: everybody else's
/// records need the process.
pub(crate) async fn load_keys(
    process: &Process,
    member: &Membership,
    store: &segment::Store,
    config: &tenant_keys::EncryptionConfig,
) -> Result<()> {
    if let Some(path) = &config.key_file {
        KeyFile::new(path.clone()).check()?;
    }
    let (keeper, keyring) = (config.wrapper(), store.keyring().clone());
    tenant_keys::load(&member.view, &*keeper, &keyring).await;
    tenant_keys::follow(member.view.clone(), keeper, keyring, &process.plumbing);
    Ok(())
}

/// Starts a compactor, which needs to know from control's log which topics are gone.
pub(crate) fn start_compactor(
    process: &Process,
    member: &Membership,
    store: &segment::Store,
    config: compactor::Config,
) -> Result<()> {
    let store = store.for_role("compactor");
    let log = store.clone();
    let deps = compactor::Deps {
        view: member.view.clone(),
        store,
        peers: member.peers.clone(),
        deleted_topics: Arc::new(move || {
            let log = log.clone();
            async move { control::deleted_topics(&log).await.map_err(|error| error.to_string()) }
                .boxed()
        }),
    };
    Ok(compactor::start(config, deps, &process.roles)?)
}

/// Waits until the node has opened what is assigned to it, so that the first client after a restart
/// finds its partitions. Not for ever: one partition that cannot open must not hold back the rest.
pub(crate) async fn wait_for_partitions(node: &storage_node::NodeHandle) {
    if tokio::time::timeout(OPENING_WAIT, node.caught_up()).await.is_err() {
        tracing::warn!(waited = ?OPENING_WAIT, "partitions are still being opened");
    }
}

/// Binds a listener; the error names the configuration key.
pub(crate) async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let fix = match error.kind() {
            io::ErrorKind::AddrInUse => "another process has this port; choose a free one",
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need privileges; choose a higher one"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "choose an address of this machine",
        };
        anyhow::anyhow!("{key} = \"{address}\" cannot be bound: {error}; {fix}")
    })
}

/// Connections are file descriptors: takes as many as the system grants (the hard limit).
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

fn install_log(log: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&log.filter).with_context(|| {
        format!("log.filter = \"{}\" is not a filter; try \"info\"", log.filter)
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let installed = match log.format {
        LogFormat::Text => {
            lines.with_target(false).with_ansi(io::stderr().is_terminal()).try_init()
        }
        LogFormat::Json => lines.json().try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("log: {error}"))
}

async fn termination() -> Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_what_others_reach() {
        for listen in ["127.0.0.1:9702", "[::1]:9702", "localhost:9702", "127.8.8.8:0"] {
            assert!(is_loopback(listen), "{listen}");
        }
        for listen in ["0.0.0.0:9702", "[::]:9702", "10.0.0.1:9702", "node-1:9702"] {
            assert!(!is_loopback(listen), "{listen}");
        }
    }
}
