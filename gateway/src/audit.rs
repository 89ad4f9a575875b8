//! The audit log: who was let in, who was denied what, and who changed what.
//!
//! ```text
//! connections ─ record ─► window ── first of its kind ──► queue ─► writer ─► file
//!                           └───── counted, told when the window ends ──┘
//! ```
//!
//! One JSON object a line, without payloads or secrets. Nobody on the data path waits for it: the
//! queue is bounded and what does not fit is dropped and counted
//! (`gateway_audit_dropped_total`). What repeats within a window becomes one line and a count, and a
//! client gets so many lines a window and a count of the rest, so it cannot fill the disk or push
//! out what others did.

mod change;
mod event;
mod window;
mod writer;

use std::sync::Arc;

use parking_lot::Mutex;
use process::{Clock, Drain};
use tokio::sync::mpsc;

pub(crate) use self::change::Change;
use self::event::Line;
pub(crate) use self::event::{Event, What};
use self::window::Window;
use crate::config::AuditConfig;
use crate::limits::AUDIT_LINES_QUEUED;
use crate::metrics;

/// Where what happened is told; by default nowhere. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Audit(Option<Arc<Log>>);

struct Log {
    clock: Clock,
    window: Mutex<Window>,
    lines: mpsc::Sender<Line>,
}

// === impl Audit ===

impl Audit {
    /// Starts the writer, if there is a file to write to.
    pub(crate) fn start(config: &AuditConfig, clock: &Clock, drain: &Drain) -> Self {
        let Some(file) = config.file.clone() else { return Self(None) };
        let (lines, queue) = mpsc::channel(AUDIT_LINES_QUEUED);
        let log = Arc::new(Log { clock: clock.clone(), window: Mutex::default(), lines });
        let writing = writer::write(file, queue, Arc::clone(&log), drain.clone());
        drop(drain.spawn("gateway audit", writing));
        Self(Some(log))
    }

    /// Tells of something that clients can make happen as often as they like.
    pub(crate) fn record(&self, event: impl FnOnce() -> Event) {
        let Some(log) = &self.0 else { return };
        if let Some(event) = log.window.lock().take(event()) {
            log.queue(Line::once(event, log.clock.now_ms()));
        }
    }

    /// Whether anybody wants to know.
    fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Tells of a change, which is never left out for being one of many.
    fn changed(&self, event: Event, count: u64) {
        if let Some(log) = &self.0 {
            log.queue(Line { count, ..Line::once(event, log.clock.now_ms()) });
        }
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Audit").field(&self.0.is_some()).finish()
    }
}

// === impl Log ===

impl Log {
    fn queue(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            metrics::audit_dropped(1);
        }
    }

    /// What was counted since the last call.
    fn close_window(&self) -> Vec<Line> {
        std::mem::take(&mut *self.window.lock()).close(self.clock.now_ms())
    }
}
