//! The coordinator of all groups whose state one internal partition keeps.

use protocol::ids::TenantId;

use crate::command::{Caller, Command, Outputs};
use crate::config::Config;
use crate::record::Record;

/// Groups and offsets of one internal partition.
#[derive(Debug)]
pub struct Coordinator {
    config: Config,
}

impl Coordinator {
    /// A coordinator that knows no group yet. `seed` makes its member ids unlike those of any
    /// other incarnation.
    pub fn new(config: Config, seed: u64) -> Self {
        let _ = seed;
        Self { config }
    }

    /// Replays one record of the log. All of them come before [`Coordinator::loaded`].
    pub fn apply(&mut self, record: &Record) {
        let _ = record;
    }

    /// Ends the replay: groups come to life, and every timer starts in full (R42).
    pub fn loaded(&mut self, now_ms: i64) {
        let _ = now_ms;
    }

    /// Starts every timer in full again: the process was paused, or the clock jumped (R42).
    pub fn restart_timers(&mut self, now_ms: i64) {
        let _ = now_ms;
    }

    /// Carries out one command.
    pub fn handle(&mut self, now_ms: i64, caller: Caller, command: Command, out: &mut Outputs) {
        let _ = (now_ms, caller, command, out, &self.config);
    }

    /// Does what has fallen due.
    pub fn tick(&mut self, now_ms: i64, out: &mut Outputs) {
        let _ = (now_ms, out);
    }

    /// When [`Coordinator::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<i64> {
        None
    }

    /// Records that replay to the same durable state.
    pub fn snapshot(&self) -> Vec<Record> {
        Vec::new()
    }

    /// The groups of `tenant` that exist, for gauges.
    pub fn group_count(&self, tenant: TenantId) -> usize {
        let _ = tenant;
        0
    }
}
