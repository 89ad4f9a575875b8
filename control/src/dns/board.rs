//! The sets, for all to see: written by the leader's switcher, read by the admin API.

use std::sync::Arc;

use metadata::gateway_sets::ActiveSet;
use parking_lot::RwLock;

use super::switch::{Verdict, Votes};

/// What is known of the sets. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<RwLock<Option<Shown>>>);

/// One look.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) active: ActiveSet,
    /// What the last look came to, for people.
    pub(crate) standing: String,
    /// What is wrong with DNS, if anything is.
    pub(crate) dns_problem: Option<String>,
    /// In the order of preference.
    pub(crate) sets: Vec<ShownSet>,
}

/// One set at that look.
#[derive(Clone, Debug)]
pub(crate) struct ShownSet {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) votes: Votes,
    /// Each vantage point's problem with it.
    pub(crate) problems: Vec<(String, String)>,
}

impl Board {
    /// `None` where no sets are switched, or before the leader's first look.
    pub(crate) fn read(&self) -> Option<Shown> {
        self.0.read().clone()
    }

    pub(super) fn show(&self, shown: Shown) {
        *self.0.write() = Some(shown);
    }

    /// Begins anew, with another leadership.
    pub(crate) fn clear(&self) {
        *self.0.write() = None;
    }
}
