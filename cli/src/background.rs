//! Threads for what may be late: the cold path's runtime, at the lowest CPU weight.
//!
//! A replay takes as much CPU as it gets. Where it shares cores with producers its threads have the
//! policy `SCHED_IDLE`: whoever wakes up takes the core from them at once, and they get about 0.3 %
//! of one that somebody else wants, and all of one that nobody wants. Niceness 19 puts their reads
//! last in the class of best-effort I/O. Between processes of different cgroups neither means
//! anything; there `CPUWeight` and `IOWeight` do the same (`deploy/systemd`).

use std::io;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hop::{HopRequest, Response};
use process::Drain;
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// The least that there is.
const NICENESS: i32 = 19;

/// A runtime whose threads give way to all others.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .thread_name("background")
        .on_thread_start(give_way)
        .build()
}

/// Linux keeps both by thread: this changes the calling one, and those that it starts.
fn give_way() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) =
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
    {
        tracing::warn!(%error, "a background thread keeps its scheduling policy");
    }
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "a background thread keeps its priority");
    }
}

/// Such a runtime beside the one that runs everything else.
pub(crate) struct Background {
    /// Taken when dropped: a runtime must not wait for its threads within another one.
    runtime: Option<Runtime>,
}

impl Background {
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { runtime: Some(runtime()?) })
    }

    /// Where to enter it.
    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("taken only when dropped").handle()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A role of another runtime: its requests run there, whoever calls.
pub(crate) struct Elsewhere {
    pub(crate) handler: Arc<dyn hop::Handler>,
    pub(crate) runtime: Handle,
    pub(crate) drain: Drain,
}

impl hop::Handler for Elsewhere {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        let entered = self.runtime.enter();
        let task = self.drain.spawn("background request", self.handler.call(request));
        drop(entered);
        // A caller that gives up ends the request, as it would on its own runtime.
        let task = AbortOnDropHandle::new(task);
        task.map(|response| response.expect("only its caller aborts it")).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hop::internal::{ColdFetchRequest, ColdFetchResponse};
    use hop::{Handler as _, HopHeader, Request};
    use protocol::ids::TenantId;
    use thread_priority::unix::thread_schedule_policy;

    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    fn priority() -> (i32, ThreadSchedulePolicy) {
        (niceness(), thread_schedule_policy().unwrap())
    }

    #[test]
    fn threads_that_run_and_threads_that_block_give_way_and_this_one_does_not() {
        let before = priority();
        let background = Background::start().unwrap();
        let (running, blocking) = background.handle().block_on(async {
            let running = background.handle().spawn(async { priority() });
            let blocking = background.handle().spawn_blocking(priority);
            (running.await.unwrap(), blocking.await.unwrap())
        });
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let last = (NICENESS, idle);
        assert_eq!((running, blocking, priority()), (last, last, before));
    }

    /// Answers with the niceness of the thread that runs it.
    struct Asked;

    impl hop::Handler for Asked {
        fn call(&self, _: HopRequest) -> BoxFuture<'static, Response> {
            let answer = async {
                let error_code = i16::try_from(niceness()).unwrap();
                Response::ColdFetch(ColdFetchResponse { error_code, ..Default::default() })
            };
            answer.boxed()
        }
    }

    #[tokio::test]
    async fn a_request_from_another_runtime_runs_in_the_background() {
        let background = Background::start().unwrap();
        let (runtime, drain) = (background.handle().clone(), Drain::new());
        let elsewhere = Elsewhere { handler: Arc::new(Asked), runtime, drain };
        let header = HopHeader::internal(TenantId(1), Duration::from_secs(1));
        let body = Request::ColdFetch(ColdFetchRequest::default());
        let Response::ColdFetch(answer) = elsewhere.call(HopRequest { header, body }).await else {
            panic!("another answer");
        };
        assert_eq!(i32::from(answer.error_code), NICENESS);
    }
}
