//! Switches that an operator asks for.

use std::sync::Arc;

use metadata::gateway_sets::{ActiveSet, Cause};
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use crate::limits::SWITCHES_QUEUED_MAX;

/// Where to go, and whoever waits to hear of it.
pub(crate) struct Order {
    /// The set; `None` for the next one that serves, or with [`Cause::Failback`] the preferred one.
    pub(crate) to: Option<String>,
    /// [`Cause::Failover`] or [`Cause::Failback`].
    pub(crate) cause: Cause,
    /// Also to a set that nobody sees serve.
    pub(crate) force: bool,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
    pub(crate) told: oneshot::Sender<Result<ActiveSet, Refused>>,
}

/// Why the name stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this control process does not lead")]
    NotLeading,
    #[error(
        "`control.gateway_sets.name` is empty, or control has not looked yet; its log says why"
    )]
    Off,
    #[error("there is no gateway set `{0}`")]
    NoSet(String),
    #[error("`{0}` is the active set already")]
    There(String),
    #[error("no other set serves; `--to SET --force` goes to one all the same")]
    Nowhere,
    #[error(
        "`{set}` does not serve: {serves} of {of} vantage points reach it, two thirds are needed; \
         `--force` goes there all the same"
    )]
    Unproven { set: String, serves: usize, of: usize },
    #[error("the last switch is not in DNS yet: {0}")]
    UnderWay(String),
    #[error("the metadata changed meanwhile; try again")]
    Conflict,
    #[error("the metadata store does not answer: {0}")]
    Metadata(String),
}

/// The way to the leader's switcher, while it leads. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<RwLock<Option<mpsc::Sender<Order>>>>);

impl Desk {
    /// Lets orders through.
    pub(crate) fn open(&self) -> mpsc::Receiver<Order> {
        let (sender, orders) = mpsc::channel(SWITCHES_QUEUED_MAX);
        *self.0.write() = Some(sender);
        orders
    }

    /// Refuses orders from now on.
    pub(crate) fn close(&self) {
        *self.0.write() = None;
    }

    /// Switches: answers when it is decided, which DNS then follows.
    pub(crate) async fn order(
        &self,
        to: Option<String>,
        cause: Cause,
        force: bool,
        dry_run: bool,
    ) -> Result<ActiveSet, Refused> {
        let (told, hears) = oneshot::channel();
        let desk = self.0.read().clone().ok_or(Refused::Off)?;
        let order = Order { to, cause, force, dry_run, told };
        desk.send(order).await.map_err(|_| Refused::NotLeading)?;
        hears.await.unwrap_or(Err(Refused::NotLeading))
    }
}
