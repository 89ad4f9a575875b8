//! Follows files: whoever uses them hears what they hold now, or why that is not used.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::{Contents, Files, FilesError, Loaded};
use crate::Drain;

/// Pause between two looks: a new certificate is used this long after it was written.
const INTERVAL: Duration = Duration::from_secs(5);

/// Looks at the files until the drain begins, at SIGHUP at once, and tells `changed` when they hold
/// something else than before; first than `loaded`.
pub async fn follow(
    files: Files,
    loaded: &Loaded,
    drain: Drain,
    mut changed: impl FnMut(Result<Loaded, FilesError>),
) {
    let draining = drain.draining();
    let mut draining = std::pin::pin!(draining);
    let mut hangups = signal(SignalKind::hangup()).ok();
    let mut known = Some(loaded.mark);
    loop {
        let hangup = async {
            match &mut hangups {
                Some(hangups) => drop(hangups.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut draining => return,
            () = hangup => {}
            () = sleep(INTERVAL) => {}
        }
        let contents = files.read().await;
        let mark = contents.as_ref().map(Contents::mark).ok();
        if mark != known {
            known = mark;
            changed(contents.and_then(|contents| files.parse(&contents)));
        }
    }
}
