//! Ending together: a harness that is asked to end (SIGTERM, Ctrl-C) runs no destructors, so its
//! children are killed first, with whatever these have started themselves.
//!
//! For programs only. Under a test runner, a terminal's signals reach the children anyway.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::OnceLock;

use anyhow::Result;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{Signal as Asked, SignalKind, signal};

/// The leaders of the groups that are left; not set in a process that does not end together.
static LEADERS: OnceLock<Mutex<BTreeSet<u32>>> = OnceLock::new();
/// What a shell says of a process that SIGTERM ended.
const EXIT_CODE: i32 = 128 + 15;

/// From now on every child leads a process group of its own, and SIGTERM and SIGINT kill all of these
/// before this process ends.
pub fn end_together() -> Result<()> {
    let leaders = LEADERS.get_or_init(Mutex::default);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut term, mut int) = runtime.block_on(async {
        anyhow::Ok::<(Asked, Asked)>((
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        ))
    })?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = term.recv() => (), _ = int.recv() => () }
        });
        // Held until the end: nothing is started any more.
        let leaders = leaders.lock();
        leaders.iter().copied().for_each(kill);
        eprintln!("asked to end: {} processes were killed, their logs are kept", leaders.len());
        std::process::exit(EXIT_CODE);
    });
    Ok(())
}

/// Starts a child, in a group of its own if that is how this process ends.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let Some(leaders) = LEADERS.get() else { return command.spawn() };
    let mut leaders = leaders.lock();
    let child = command.process_group(0).spawn()?;
    leaders.insert(child.id());
    Ok(child)
}

/// Kills what is left of a child's group; once, for its number may become another's later.
pub(crate) fn end(leader: u32) {
    if LEADERS.get().is_some_and(|leaders| leaders.lock().remove(&leader)) {
        kill(leader);
    }
}

fn kill(leader: u32) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // An error says that nobody is left in it.
        let _gone = kill_process_group(group, Signal::KILL);
    }
}
