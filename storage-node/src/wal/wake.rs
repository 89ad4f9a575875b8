//! Wakes whoever waits for work of a disk front: a thread, or a task on a simulated device.

use parking_lot::{Condvar, MutexGuard};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::log::Log;

/// A signal that [`Log::next_work`] may have another answer.
#[derive(Default)]
pub(super) struct Wake {
    threads: Condvar,
    tasks: Notify,
}

impl Wake {
    /// Wakes one of those who wait.
    pub(super) fn notify_one(&self) {
        self.threads.notify_one();
        self.tasks.notify_one();
    }

    /// Blocks until woken.
    pub(super) fn block(&self, log: &mut MutexGuard<'_, Log>) {
        self.threads.wait(log);
    }

    /// Is done when woken, also by a signal that came before.
    pub(super) fn woken(&self) -> Notified<'_> {
        self.tasks.notified()
    }
}
