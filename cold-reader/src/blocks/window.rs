//! How much may be on its way at one time: as configured, and less while the store cannot keep up.
//!
//! Uploads and compaction come before cold reads, and they are other processes, often on other
//! machines: all that they share with a reader is the store. So whoever can wait gives way when it
//! says that it has too much to do. Half is left at each refusal, as in TCP, and one GET is added for
//! every window that came back whole.

use crate::limits::RUN_BYTES_MAX;

/// The bytes that may be on their way.
#[derive(Debug)]
pub(super) struct Window {
    max: u64,
    now: u64,
}

impl Window {
    pub(super) fn new(max: u64) -> Self {
        Self { max, now: max }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.now
    }

    /// The store did not answer a GET, or refused it for having too many.
    pub(super) fn refused(&mut self) {
        self.now = (self.now / 2).max(RUN_BYTES_MAX).min(self.max);
    }

    /// Bytes came back.
    pub(super) fn came(&mut self, bytes: u64) {
        let share = bytes.saturating_mul(RUN_BYTES_MAX) / self.now.max(1);
        self.now = self.now.saturating_add(share).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 16 * RUN_BYTES_MAX;

    #[test]
    fn each_refusal_leaves_half_and_never_less_than_one_get() {
        let mut window = Window::new(MAX);
        window.came(MAX);
        assert_eq!(window.bytes(), MAX, "never more than configured");
        let left: Vec<u64> = std::iter::from_fn(|| {
            window.refused();
            Some(window.bytes() / RUN_BYTES_MAX)
        })
        .take(6)
        .collect();
        assert_eq!(left, [8, 4, 2, 1, 1, 1]);
        let mut small = Window::new(5);
        small.refused();
        assert_eq!(small.bytes(), 5);
    }

    #[test]
    fn a_window_that_came_back_whole_adds_one_get() {
        let mut window = Window::new(MAX);
        (0..2).for_each(|_| window.refused());
        for expected in [5, 6, 7] {
            window.came(window.bytes());
            assert_eq!(window.bytes(), expected * RUN_BYTES_MAX);
        }
    }
}
