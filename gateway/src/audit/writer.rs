//! Writes lines to the file, in batches, on a thread that may wait for the disk.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use process::Drain;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Log;
use super::event::Line;
use crate::limits::{AUDIT_LINES_QUEUED, AUDIT_WINDOW};
use crate::metrics;

/// Writes until the drain begins, and then what is left.
pub(super) async fn write(
    file: PathBuf,
    mut queue: mpsc::Receiver<Line>,
    log: Arc<Log>,
    drain: Drain,
) {
    let mut windows = interval_at(Instant::now() + AUDIT_WINDOW, AUDIT_WINDOW);
    windows.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut draining = std::pin::pin!(drain.draining());
    loop {
        let mut lines = Vec::new();
        let ends = tokio::select! {
            _ = queue.recv_many(&mut lines, AUDIT_LINES_QUEUED) => false,
            _ = windows.tick() => {
                lines = log.close_window();
                false
            }
            () = &mut draining => true,
        };
        if ends {
            while let Ok(line) = queue.try_recv() {
                lines.push(line);
            }
            lines.extend(log.close_window());
        }
        append(&file, lines).await;
        if ends {
            return;
        }
    }
}

async fn append(file: &Path, lines: Vec<Line>) {
    if lines.is_empty() {
        return;
    }
    let (count, path) = (lines.len() as u64, file.to_owned());
    let written = spawn_blocking(move || append_now(&path, &lines)).await;
    let error = match written {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    metrics::audit_dropped(count);
    tracing::error!(file = %file.display(), lines = count, error, "audit log cannot be written");
}

/// Opened each time: a file that was moved away is not written to any more.
fn append_now(path: &Path, lines: &[Line]) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(&bytes)
}
