//! Where cold bytes are moved: threads that give way to those of producers and tail readers.
//!
//! A replay takes as much CPU as it gets, in the gateway as well: every byte is copied from one socket
//! and into another. On the threads of everybody it would stand in line before produces. So the
//! connections to cold readers, and the writing of answers with cold records, have threads of
//! their own, which the process gives the lowest weight.

use process::Drain;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

/// The way to those threads.
#[derive(Debug, Clone)]
pub(crate) struct Background {
    runtime: Handle,
    drain: Drain,
}

// === impl Background ===

impl Background {
    pub(crate) fn new(runtime: Handle, drain: Drain) -> Self {
        Self { runtime, drain }
    }

    /// Begins something there, with whatever it starts itself. It ends when the handle is dropped.
    pub(crate) fn start<F>(
        &self,
        name: &'static str,
        begin: impl FnOnce() -> F,
    ) -> AbortOnDropHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let entered = self.runtime.enter();
        let task = self.drain.spawn(name, begin());
        drop(entered);
        AbortOnDropHandle::new(task)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::runtime::Builder;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn what_is_begun_there_runs_there_with_all_it_starts() {
        let (drain, inner) = (Drain::new(), Drain::new());
        let threads = Builder::new_multi_thread().enable_all().thread_name("away").build().unwrap();
        let background = Background::new(threads.handle().clone(), drain);
        let started = background.start("test", || async move {
            let name = || async {
                sleep(std::time::Duration::from_millis(1)).await;
                thread::current().name().map(str::to_owned)
            };
            (name().await, inner.spawn("inner", name()).await.unwrap())
        });
        let away = Some("away".to_owned());
        assert_eq!(started.await.unwrap(), (away.clone(), away));
        assert_ne!(thread::current().name(), Some("away"));
        threads.shutdown_background();
    }
}
