//! Services that live outside of the hosts that use them.
//!
//! The object store and the metadata store do not crash with their clients: a request that was
//! sent is carried out although its sender is gone by then. So each runs on a host of its own, and
//! what a client sends is a job for that host.
//!
//! ```text
//! client host                      service host
//! call ──job──► queue ──► [travel] do it [travel] ──► answer, if anybody still waits
//! ```

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The way to a service; cheap to clone.
#[derive(Clone)]
pub struct Service {
    jobs: mpsc::Sender<Job>,
}

/// The jobs of a service, for its host.
pub struct Jobs(mpsc::Receiver<Job>);

/// Jobs that may wait for the service's host to have its turn.
const QUEUED_MAX: usize = 100_000;

/// A service and its jobs.
pub fn service() -> (Service, Jobs) {
    let (jobs, queue) = mpsc::channel(QUEUED_MAX);
    (Service { jobs }, Jobs(queue))
}

// === impl Service ===

impl Service {
    /// Carries `work` out at the service, whatever becomes of the caller.
    pub fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.jobs.try_send(Box::pin(work)).expect("the service's host takes its jobs each step");
    }

    /// Carries `work` out after `there`; its answer arrives after `back`. `None` if it never does.
    pub async fn call<T: Send + 'static>(
        &self,
        there: Duration,
        back: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.run(async move {
            tokio::time::sleep(there).await;
            let result = work.await;
            tokio::time::sleep(back).await;
            drop(answer.send(result));
        });
        answered.await.ok()
    }
}

// === impl Jobs ===

impl Jobs {
    /// The service's host: runs jobs for as long as anybody may send one.
    #[expect(clippy::disallowed_methods, reason = "the service has no shutdown to wait for")]
    pub async fn serve(mut self) {
        while let Some(job) = self.0.recv().await {
            drop(tokio::spawn(job));
        }
    }
}
