//! Switches that an operator asks for.

use metadata::gateway_sets::{ActiveSet, Cause};

use crate::desk;
use crate::limits::SWITCHES_QUEUED_MAX;

/// Where to go. The answer is the set that is the active one then, which DNS follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The set; `None` for the next one that serves, or with [`Cause::Failback`] the preferred one.
    pub(crate) to: Option<String>,
    /// [`Cause::Failover`] or [`Cause::Failback`].
    pub(crate) cause: Cause,
    /// Also to a set that nobody sees serve.
    pub(crate) force: bool,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
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

impl desk::Order for Order {
    type Answer = ActiveSet;
    type Refused = Refused;

    const QUEUED_MAX: usize = SWITCHES_QUEUED_MAX;

    fn closed() -> Refused {
        Refused::Off
    }

    fn not_leading() -> Refused {
        Refused::NotLeading
    }
}
