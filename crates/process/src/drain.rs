//! Shutdown as a value: the token that starts it and the count of tasks it waits for.
//!
//! Every task of a process is spawned through a [`Drain`], so that none outlives the
//! decision to stop unnoticed. A drain may have children: beginning a parent's drain
//! begins the children's, and the parent waits for their tasks too, while a child can be
//! drained on its own (one role of a process that runs several).
//!
//! ```text
//!   begin()            draining() resolves everywhere below
//!   finish(deadline)   begin(), then wait; names the tasks that did not end in time
//! ```

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A handle on the shutdown of a group of tasks; cheap to clone, all clones are one group.
#[derive(Clone, Debug)]
pub struct Drain {
    token: CancellationToken,
    /// This group first, then its ancestors: a task counts in each of them.
    groups: Arc<[Group]>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

// === impl Drain ===

impl Drain {
    /// A group without parent.
    pub fn new() -> Self {
        Self { token: CancellationToken::new(), groups: Arc::new([Group::default()]) }
    }

    /// A group that drains when this one does, or before, on its own.
    pub fn child(&self) -> Self {
        let own = std::iter::once(Group::default());
        Self {
            token: self.token.child_token(),
            groups: own.chain(self.groups.iter().cloned()).collect(),
        }
    }

    /// Runs a future as a task that [`Drain::finish`] waits for. The task must watch
    /// [`Drain::draining`] itself; nothing is aborted. `name` is for the operator who
    /// wonders which task does not end.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let registrations: Vec<_> = self.groups.iter().map(|group| group.register(name)).collect();
        tokio::spawn(async move {
            // Moved in, so that a task that panics or is aborted is counted out as well.
            let _registrations = registrations;
            future.await
        })
    }

    /// Starts the shutdown. Idempotent.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Resolves once the shutdown has begun. The future owns what it needs, so a task can
    /// keep one pinned beside its loop.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + use<> {
        self.token.clone().cancelled_owned()
    }

    /// Whether the shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Begins the shutdown and waits for every task of this group and of its children.
    /// False if `deadline` passed first; the tasks left are then named in the log.
    pub async fn finish(&self, deadline: Duration) -> bool {
        self.begin();
        let group = &self.groups[0];
        group.tracker.close();
        let finished = tokio::time::timeout(deadline, group.tracker.wait()).await.is_ok();
        if !finished {
            tracing::warn!(tasks = ?self.running(), "drain deadline passed with tasks running");
        }
        finished
    }

    /// How many tasks of each name run in this group and its children.
    pub fn running(&self) -> BTreeMap<&'static str, usize> {
        self.groups[0].running.lock().clone()
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Group ===

impl Group {
    fn register(&self, name: &'static str) -> Registration {
        *self.running.lock().entry(name).or_default() += 1;
        Registration { name, running: Arc::clone(&self.running), _token: self.tracker.token() }
    }
}

/// One task's membership in one group.
struct Registration {
    name: &'static str,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    // Declared last: it is dropped after `running` is up to date, so whoever the tracker
    // wakes sees this task gone.
    _token: tokio_util::task::task_tracker::TaskTrackerToken,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                running.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn finish_waits_for_tasks_that_watch_the_drain() {
        let drain = Drain::new();
        let draining = drain.draining();
        let task = drain.spawn("polite", async move {
            draining.await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            7
        });
        assert!(!drain.is_draining());
        assert!(drain.finish(SOON).await);
        assert!(drain.is_draining());
        assert_eq!(task.await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ignores_the_drain_fails_the_deadline_and_is_named() {
        let drain = Drain::new();
        let _task = drain.spawn("deaf", std::future::pending::<()>());
        assert!(!drain.finish(SOON).await);
        assert_eq!(drain.running(), BTreeMap::from([("deaf", 1)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_parent_waits_for_its_children_but_not_the_reverse() {
        let parent = Drain::new();
        let child = parent.child();
        let _of_parent = parent.spawn("of parent", parent.draining());
        let _of_child = child.spawn("of child", std::future::pending::<()>());

        assert!(!child.finish(SOON).await);
        assert!(!parent.is_draining());
        assert!(!parent.finish(SOON).await, "the child's task still runs");
        assert_eq!(parent.running(), BTreeMap::from([("of child", 1)]));
    }

    #[tokio::test(start_paused = true)]
    async fn draining_a_parent_drains_its_children() {
        let parent = Drain::new();
        let child = parent.child();
        let _task = child.spawn("of child", child.draining());
        assert!(parent.finish(SOON).await);
        assert!(child.is_draining());
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_or_aborted_task_is_counted_out() {
        let drain = Drain::new();
        let panicking = drain.spawn("panicking", async { panic!("as intended") });
        let aborted = drain.spawn("aborted", std::future::pending::<()>());
        aborted.abort();
        assert!(panicking.await.is_err());
        assert!(aborted.await.is_err());
        assert!(drain.finish(SOON).await);
        assert!(drain.running().is_empty());
    }
}
