//! Starting the role: listen, then stand for election until the process drains.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hop::Peers;
use metadata::{ClusterView, MetadataStore, model::LeaderRecord};
use process::{Clock, Drain};
use segment::Store;
use tenant_keys::KeyWrapper;
use tokio::{sync::mpsc, time::sleep};

use crate::{
    api::Api,
    balance::{self, Balancer, board::Board},
    config::{Config, ConfigError},
    desk::Desk,
    dns::{self, DnsProvider},
    election::{Candidate, Leadership},
    failover::{self, Failover},
    guard::{Guard, GuardError},
    limits::{COMMANDS_QUEUED_MAX, HOPELESS_PAUSE, RETRY_PAUSE},
    load::{self, Loads},
    meta_log::MetaLogError,
    metrics,
    opening::Opening,
    server::{Gate, Server},
    term::{BeginError, Ended, Parts, Term},
};

/// What the role needs from its process.
pub struct Deps {
    /// Dates new topics.
    pub clock: Clock,
    /// Where leaders are elected and everything is announced.
    pub metadata: Arc<dyn MetadataStore>,
    /// The watched copy; [`crate::bootstrap()`] has run before it is asked for the secret.
    pub view: ClusterView,
    /// Holds the metadata log.
    pub store: Store,
    /// The nodes.
    pub peers: Peers,
    /// Makes and wraps data keys of tenants.
    pub keeper: Arc<dyn KeyWrapper>,
}

/// A running control process.
pub struct Control {
    /// The address it listens on.
    pub address: SocketAddr,
    /// The address others call; what the leader's record shows.
    pub advertised: String,
    /// Answers requests; for callers in the same process.
    pub handler: Arc<dyn hop::Handler>,
    /// What the admin API answers from.
    #[cfg(test)]
    pub(crate) api: Arc<Api>,
}

/// The role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// A value that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The port is taken, or the address is not this machine's.
    #[error("`control.listen`: cannot listen on `{address}`: {cause}; choose another address")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The operating system's words.
        cause: std::io::Error,
    },
    /// The same for the admin API.
    #[error(
        "`control.admin.listen`: cannot listen on `{address}`: {cause}; choose another address"
    )]
    ListenAdmin {
        /// As configured.
        address: SocketAddr,
        /// The operating system's words.
        cause: std::io::Error,
    },
    /// The way to DNS cannot be used.
    #[error(transparent)]
    Dns(#[from] dns::DnsError),
    /// [`crate::bootstrap()`] did not run.
    #[error("the cluster has no identity yet")]
    NoCluster,
}

/// What the leader's tasks and those who ask for it share.
#[derive(Clone, Default)]
struct Shared {
    gate: Gate,
    moves: Desk<balance::orders::Order>,
    loads: Loads,
    board: Board,
    switches: Desk<dns::Order>,
    sets: dns::Board,
}

// === impl Shared ===

impl Shared {
    fn api(&self, control_id: &str, view: &ClusterView) -> Api {
        Api {
            control_id: control_id.to_owned(),
            view: view.clone(),
            gate: self.gate.clone(),
            moves: self.moves.clone(),
            loads: self.loads.clone(),
            board: self.board.clone(),
            switches: self.switches.clone(),
            sets: self.sets.clone(),
            writes: tokio::sync::Mutex::default(),
        }
    }
}

/// Starts the role; it serves until `drain`.
pub async fn start(config: Config, deps: Deps, drain: Drain) -> Result<Control, RoleError> {
    config.check()?;
    metrics::describe();
    let secret = deps.view.cluster().ok_or(RoleError::NoCluster)?.secret;
    let listen = |cause| RoleError::Listen { address: config.listen, cause };
    let listener = deps.peers.net().listen(&config.listen.to_string()).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let advertised = config.advertised.clone().unwrap_or_else(|| address.to_string());
    let door = config.admin.listen(config.listen, &advertised, deps.peers.net()).await;
    let door = door.map_err(|(address, cause)| RoleError::ListenAdmin { address, cause })?;
    let shared = Shared::default();
    let handler: Arc<dyn hop::Handler> =
        Arc::new(Server { gate: shared.gate.clone(), view: deps.view.clone() });
    let admin = door.as_ref().map(|door| door.advertised.clone()).unwrap_or_default();
    let api = Arc::new(shared.api(&config.control_id, &deps.view));
    if let Some(door) = door {
        door.open(Arc::clone(&api), &secret, deps.peers.credentials().tls().cloned(), &drain);
    }
    let credentials = deps.peers.credentials().clone();
    let serve = hop::serve(listener, Arc::clone(&handler), credentials, drain.clone());
    drain.spawn("control server", serve);

    let provider = dns::provider(&config.gateway_sets, deps.peers.net(), &deps.clock)?;
    if provider.is_some() {
        let vantage = dns::of_control(&config.control_id, &config.gateway_sets);
        let (net, clock) = (deps.peers.net().clone(), deps.clock.clone());
        let watch = dns::watch(vantage, Arc::clone(&deps.metadata), net, clock, drain.clone());
        drain.spawn("control vantage point", watch);
    }
    let candidate = Candidate {
        metadata: Arc::clone(&deps.metadata),
        view: deps.view.clone(),
        record: LeaderRecord {
            control_id: config.control_id.clone(),
            address: advertised.clone(),
            admin: admin.clone(),
        },
        ttl: config.lease,
        drain: drain.clone(),
        has_led: false,
    };
    let parts = Parts {
        config: Arc::new(config),
        clock: deps.clock,
        metadata: deps.metadata,
        opening: Opening { view: deps.view.clone(), peers: deps.peers },
        view: deps.view,
        store: deps.store.for_role("control"),
        keeper: deps.keeper,
        drain: drain.clone(),
    };
    let control_id = &parts.config.control_id;
    tracing::info!(control_id, %address, advertised, admin, "control serves");
    drain.spawn("control", stand(candidate, parts, provider, shared));
    Ok(Control {
        address,
        advertised,
        handler,
        #[cfg(test)]
        api,
    })
}

/// Runs the role to the end of `drain`.
pub async fn run(config: Config, deps: Deps, drain: Drain) -> Result<(), RoleError> {
    start(config, deps, drain.clone()).await?;
    drain.draining().await;
    Ok(())
}

/// Stands for election, leads, and stands again.
async fn stand(
    mut candidate: Candidate,
    parts: Parts,
    provider: Option<Arc<dyn DnsProvider>>,
    shared: Shared,
) {
    let drain = parts.drain.clone();
    while !drain.is_draining() {
        let leadership = tokio::select! {
            () = drain.draining() => return,
            leadership = candidate.win() => leadership,
        };
        metrics::leads(true);
        watch_nodes(&leadership, &parts, &shared);
        if let Some(provider) = &provider {
            watch_sets(&leadership, &parts, provider, &shared);
        }
        shared.gate.divide(leadership.term);
        let led = lead(&leadership, &parts, &shared.gate).await;
        shared.gate.divide_no_more();
        shared.moves.close();
        shared.switches.close();
        metrics::leads(false);
        leadership.resign(&*parts.metadata).await;
        if let Err(error) = led {
            tracing::error!(%error, "control cannot lead");
            pause(&drain, HOPELESS_PAUSE).await;
        }
    }
}

/// Watches the nodes for as long as this process leads, whatever happens to its terms.
fn watch_nodes(leadership: &Leadership, parts: &Parts, shared: &Shared) {
    let failover = Failover::new(failover::Parts {
        config: parts.config.failover.clone(),
        guard: Guard::new(Arc::clone(&parts.metadata), leadership.term),
        view: parts.view.clone(),
        peers: parts.opening.peers.clone(),
    });
    let balancer = Balancer::new(balance::Parts {
        config: parts.config.balance.clone(),
        default_front: parts.config.default_front,
        guard: Guard::new(Arc::clone(&parts.metadata), leadership.term),
        opening: parts.opening.clone(),
        loads: shared.loads.clone(),
        board: shared.board.clone(),
        orders: shared.moves.open(),
    });
    let loads =
        load::collect(shared.loads.clone(), parts.view.clone(), parts.opening.peers.clone());
    while_leading(leadership, parts, "control loads", loads);
    while_leading(leadership, parts, "control failover", failover.run());
    while_leading(leadership, parts, "control balance", balancer.run());
}

/// The same for the gateway sets.
fn watch_sets(
    leadership: &Leadership,
    parts: &Parts,
    provider: &Arc<dyn DnsProvider>,
    shared: &Shared,
) {
    let switcher = dns::Switcher::new(dns::Parts {
        config: parts.config.gateway_sets.clone(),
        guard: Guard::new(Arc::clone(&parts.metadata), leadership.term),
        clock: parts.clock.clone(),
        provider: Arc::clone(provider),
        board: shared.sets.clone(),
        orders: shared.switches.open(),
    });
    while_leading(leadership, parts, "control gateway sets", switcher.run());
}

fn while_leading(
    leadership: &Leadership,
    parts: &Parts,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let (lost, draining) = (leadership.lost(), parts.drain.draining());
    parts.drain.spawn(name, async move {
        tokio::select! {
            () = lost => {}
            () = draining => {}
            () = task => {}
        }
    });
}

/// Leads until the leadership is lost or the process drains, over as many terms as the log
/// makes necessary. An error is one that does not heal.
async fn lead(leadership: &Leadership, parts: &Parts, gate: &Gate) -> Result<(), BeginError> {
    loop {
        let begun = tokio::select! {
            () = parts.drain.draining() => return Ok(()),
            () = leadership.lost() => return Ok(()),
            begun = Term::begin(parts.clone(), leadership.term) => begun,
        };
        match begun {
            Ok(mut term) => {
                let (sender, commands) = mpsc::channel(COMMANDS_QUEUED_MAX);
                gate.open(sender);
                let ended = term.serve(commands, leadership.lost()).await;
                gate.close();
                if ended != Ended::Replay {
                    return Ok(());
                }
            }
            Err(BeginError::Copies(GuardError::Superseded)) => return Ok(()),
            // Somebody wrote meanwhile: read what.
            Err(BeginError::Log(MetaLogError::Overtaken)) => {}
            Err(error) if error.is_final() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "control cannot lead yet");
                pause(&parts.drain, RETRY_PAUSE).await;
            }
        }
    }
}

async fn pause(drain: &Drain, pause: Duration) {
    tokio::select! {
        () = drain.draining() => {}
        () = sleep(pause) => {}
    }
}

#[cfg(test)]
mod tests;
