//! Starting the role: three loops, until the drain.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use hop::Peers;
use metadata::ClusterView;
use process::Drain;
use protocol::ids::TopicId;
use segment::Store;

use crate::config::{Config, ConfigError};
use crate::gc::{self, Collector};
use crate::metrics;
use crate::rounds::Rounds;

/// Reads which topics are deleted for ever, from the authority for it (R9). The text of an error is
/// for the log.
pub type DeletedTopics =
    Arc<dyn Fn() -> BoxFuture<'static, Result<HashSet<TopicId>, String>> + Send + Sync>;

/// What the role needs from its process.
#[derive(Clone)]
pub struct Deps {
    /// Which nodes there are; holds the cluster's secret. The cluster must exist.
    pub view: ClusterView,
    /// Where everything is.
    pub store: Store,
    /// The nodes.
    pub peers: Peers,
    /// Asked when a partition's topic is not in the view.
    pub deleted_topics: DeletedTopics,
}

/// Starts the role; it works until `drain`.
pub fn start(config: Config, deps: Deps, drain: &Drain) -> Result<(), ConfigError> {
    config.check()?;
    metrics::describe();
    let collector = Collector::new(config.gc.clone(), &deps);
    drain.spawn("compactor gc", gc::run(collector, config.gc.interval, drain.clone()));
    let rounds = Rounds::new(config, deps);
    drain.spawn("compactor by key", rounds.cleaner().run(drain.clone()));
    drain.spawn("compactor", rounds.run(drain.clone()));
    Ok(())
}
