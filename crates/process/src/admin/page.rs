//! The metrics as text, for however many scrapers, at a bounded price.
//!
//! Making the text of some thousand series takes milliseconds of a CPU that producers want. So one
//! text is made at a time, on a thread that no connection waits for, and after each there is a pause
//! of a multiple of the time it took. Whoever asks meanwhile waits, and all of them get the next one:
//! nobody is told what was true before he asked.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use super::MetricsHandle;

/// The pause after a text, as a multiple of what it took: scrapers have a tenth of one CPU.
const REST: u32 = 9;

/// A text that takes long does so on a machine that is busy with something else.
const REST_MAX: Duration = Duration::from_secs(1);

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Page {
    render: Arc<dyn Fn() -> String + Send + Sync>,
    last: Arc<Mutex<Text>>,
}

/// The last text.
struct Text {
    began: Option<Instant>,
    rested: Instant,
    text: Bytes,
}

impl Page {
    pub(super) fn new(metrics: MetricsHandle) -> Self {
        Self::of(move || metrics.render())
    }

    fn of(render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        let text = Text { began: None, rested: Instant::now(), text: Bytes::new() };
        Self { render: Arc::new(render), last: Arc::new(Mutex::new(text)) }
    }

    /// A text that was begun after this was called; `None` if it cannot be made.
    pub(super) async fn text(&self) -> Option<Bytes> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if last.began.is_some_and(|began| began >= asked) {
            return Some(last.text.clone());
        }
        sleep_until(last.rested).await;
        let began = Instant::now();
        let render = Arc::clone(&self.render);
        let text: Bytes = tokio::task::spawn_blocking(move || render()).await.ok()?.into();
        let rest = (began.elapsed() * REST).min(REST_MAX);
        *last = Text { began: Some(began), rested: Instant::now() + rest, text: text.clone() };
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::Drain;

    const TAKES: Duration = Duration::from_millis(20);

    /// A page whose texts take some time and are their own numbers.
    fn slow() -> (Page, Arc<AtomicU32>) {
        let made = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&made);
        let page = Page::of(move || {
            std::thread::sleep(TAKES);
            (counted.fetch_add(1, Ordering::Relaxed) + 1).to_string()
        });
        (page, made)
    }

    #[tokio::test]
    async fn those_who_ask_together_share_a_text() {
        let (page, made) = slow();
        let drain = Drain::new();
        let asked = (0..100).map(|_| {
            let page = page.clone();
            drain.spawn("scraper", async move { page.text().await })
        });
        // Spawned before any is waited for.
        for asked in asked.collect::<Vec<_>>() {
            assert!(asked.await.unwrap().is_some());
        }
        assert!(made.load(Ordering::Relaxed) <= 2, "{made:?}");
    }

    #[tokio::test]
    async fn a_scraper_that_asks_without_a_pause_has_a_tenth_of_a_cpu() {
        let (page, made) = slow();
        let began = Instant::now();
        for text in 1..=4 {
            assert_eq!(page.text().await.unwrap(), text.to_string(), "nothing old is told");
        }
        assert_eq!(made.load(Ordering::Relaxed), 4);
        assert!(began.elapsed() >= TAKES * 4 + TAKES * REST * 3, "{:?}", began.elapsed());
    }
}
