//! Starting the role: bind, serve, then tell the gateways.

use std::net::SocketAddr;
use std::sync::Arc;

use hop::Peers;
use metadata::{ClusterView, MetadataStore};
use process::Drain;
use protocol::ids::ReaderId;
use segment::Store;

use crate::config::Config;
use crate::registration::Registration;
use crate::server::Server;

/// What the role needs from its process.
pub struct Deps {
    /// The network it listens on, and what it proves with that it is a member.
    pub peers: Peers,
    /// Where the reader registers.
    pub metadata: Arc<dyn MetadataStore>,
    /// Holds the cluster's secret; the cluster must exist.
    pub view: ClusterView,
    /// Where the blocks are.
    pub store: Store,
}

/// A running cold reader.
pub struct Reader {
    /// The address it listens on.
    pub address: SocketAddr,
    /// The address it registered.
    pub advertised: String,
    /// Answers cold fetches; for callers in the same process.
    pub handler: Arc<dyn hop::Handler>,
}

/// The role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The port is taken, or the address is not this machine's.
    #[error("`cold_reader.listen`: cannot listen on `{address}`: {cause}; choose another address")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The operating system's words.
        cause: std::io::Error,
    },
    /// Control has not founded the cluster.
    #[error("the cluster has no identity yet; start control first")]
    NoCluster,
}

/// Starts the role; it serves until `drain`.
pub async fn start(config: Config, deps: Deps, drain: Drain) -> Result<Reader, RoleError> {
    let secret = deps.view.cluster().ok_or(RoleError::NoCluster)?.secret;
    let listen = |cause| RoleError::Listen { address: config.listen, cause };
    let listener = deps.peers.net().listen(&config.listen.to_string()).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let handler: Arc<dyn hop::Handler> =
        Arc::new(Server::new(&config, secret, deps.store, drain.clone()));
    let credentials = deps.peers.credentials().clone();
    let serve = hop::serve(listener, Arc::clone(&handler), credentials.clone(), drain.clone());
    drain.spawn("cold reader server", serve);
    let advertised = config.advertised.clone().unwrap_or_else(|| address.to_string());
    let registration = Registration {
        reader: ReaderId(config.reader_id),
        address: advertised.clone(),
        zone: config.zone,
        release: credentials.releases().newest(),
        lease: config.lease,
    };
    drain.spawn("cold reader registration", registration.keep(deps.metadata, drain.clone()));
    tracing::info!(reader = config.reader_id, %address, advertised, "cold reader serves");
    Ok(Reader { address, advertised, handler })
}

/// Runs the role to the end of `drain`.
pub async fn run(config: Config, deps: Deps, drain: Drain) -> Result<(), RoleError> {
    start(config, deps, drain.clone()).await?;
    drain.draining().await;
    Ok(())
}

#[cfg(test)]
mod tests;
