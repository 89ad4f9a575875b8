//! Panics anywhere in a run are violations: tokio would keep those of tasks to itself.

use std::panic;

use parking_lot::Mutex;

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Remembers every panic from now on.
pub fn watch() {
    panic::set_hook(Box::new(|info| {
        eprintln!("{info}\n{}", std::backtrace::Backtrace::capture());
        SEEN.lock().push(info.to_string());
    }));
}

/// The panics so far.
pub fn taken() -> Vec<String> {
    std::mem::take(&mut *SEEN.lock())
}
