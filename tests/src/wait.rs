//! Waiting in tests: there is a last time to ask, and no time that is measured.

use std::thread::sleep;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(100);
/// Two minutes: longer than anything takes on a machine that does much else.
const ASKED: usize = 1_200;

/// Asks again until it holds.
///
/// # Panics
///
/// When it never came to be.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..ASKED {
        if holds() {
            return;
        }
        sleep(PAUSE);
    }
    panic!("never came to be: {what}");
}
