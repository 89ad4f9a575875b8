//! How far this machine's clock is from the object store's, as the `Date` of every answer tells (R71).
//!
//! ```text
//! this machine   sent ───────────────── answered
//! the store           Date ≤ now < Date + 1 s          whole seconds: all the header has
//!
//! ahead by       sent − Date − 1 s  …  answered − Date   the truth lies in between
//! ```
//!
//! One answer leaves more than a second open. Answers fall on all parts of a second, though, and
//! what they leave open together is little more than a round trip. No request is sent for this.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use parking_lot::Mutex;
use process::Clock;
use tokio::time::Instant;

/// Answers of so long are taken together: enough of them to see all parts of a second, and a clock
/// that drifts by 100 ppm moves by a millisecond meanwhile.
const WINDOW: Duration = Duration::from_secs(10);
/// What the header leaves open.
const DATE_STEP_MS: i64 = 1_000;

/// By how much this machine's clock is ahead of the store's: not less than the one, not more than
/// the other. Negative when it is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// In milliseconds.
    pub least_ms: i64,
    /// In milliseconds.
    pub most_ms: i64,
}

impl Skew {
    /// How far the clocks are apart for certain, and in which direction.
    pub fn certain_ms(self) -> i64 {
        0.clamp(self.least_ms, self.most_ms)
    }

    fn of(sent_ms: i64, answered_ms: i64, date_ms: i64) -> Self {
        Self { least_ms: sent_ms - date_ms - DATE_STEP_MS, most_ms: answered_ms - date_ms }
    }

    fn and(self, other: Self) -> Option<Self> {
        let least_ms = self.least_ms.max(other.least_ms);
        let most_ms = self.most_ms.min(other.most_ms);
        (least_ms <= most_ms).then_some(Self { least_ms, most_ms })
    }
}

/// What the answers of a store have told.
#[derive(Debug, Default)]
pub(super) struct SkewMeter(Mutex<Windows>);

#[derive(Debug, Default)]
struct Windows {
    /// The last one that is complete.
    known: Option<Skew>,
    open: Option<(Instant, Skew)>,
}

impl SkewMeter {
    /// What is known; `None` before the first answers of some seconds.
    pub(super) fn skew(&self) -> Option<Skew> {
        self.0.lock().known
    }

    fn add(&self, now: Instant, seen: Skew) {
        let mut windows = self.0.lock();
        let open = windows.open.take();
        // Two that contradict each other: a clock was set in between.
        let joined = open.and_then(|(began, skew)| Some((began, skew.and(seen)?)));
        let (began, skew) = joined.unwrap_or((now, seen));
        if now.duration_since(began) >= WINDOW {
            windows.known = Some(skew);
        } else {
            windows.open = Some((began, skew));
        }
    }
}

/// Makes clients that read the `Date` of what they are answered.
#[derive(Debug, Clone, Default)]
pub(super) struct DatedConnector {
    pub(super) meter: Arc<SkewMeter>,
}

impl HttpConnector for DatedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        let meter = Arc::clone(&self.meter);
        Ok(HttpClient::new(DatedClient { inner, meter, clock: Clock::system() }))
    }
}

#[derive(Debug)]
struct DatedClient {
    inner: HttpClient,
    meter: Arc<SkewMeter>,
    clock: Clock,
}

#[async_trait]
impl HttpService for DatedClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let sent_ms = self.clock.now_ms();
        let answer = self.inner.execute(request).await?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        if let Some(date_ms) = date.and_then(parse) {
            let seen = Skew::of(sent_ms, self.clock.now_ms(), date_ms);
            self.meter.add(Instant::now(), seen);
        }
        Ok(answer)
    }
}

fn parse(date: &str) -> Option<i64> {
    let since_epoch = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: i64 = 1_700_000_000_000;

    /// Answers of a store that this machine is `ahead_ms` of, each `every_ms`, 20 ms after it was
    /// asked; what is known then.
    fn after(
        meter: &SkewMeter,
        from: Instant,
        answers: i64,
        every_ms: i64,
        ahead_ms: i64,
    ) -> Option<Skew> {
        for number in 0..answers {
            let sent_ms = START_MS + number * every_ms;
            let answered_ms = sent_ms + 20;
            let date_ms = (sent_ms + 10 - ahead_ms).div_euclid(1_000) * 1_000;
            let elapsed = Duration::from_millis(u64::try_from(number * every_ms).unwrap());
            meter.add(from + elapsed, Skew::of(sent_ms, answered_ms, date_ms));
        }
        meter.skew()
    }

    #[test]
    fn a_window_of_answers_is_exact_to_a_round_trip() {
        for ahead_ms in [-90_000, -700, -500, -1, 0, 3, 499, 501, 2_000, 3_600_000] {
            let skew = after(&SkewMeter::default(), Instant::now(), 60, 173, ahead_ms).unwrap();
            assert!(skew.least_ms <= ahead_ms && ahead_ms <= skew.most_ms, "{ahead_ms}: {skew:?}");
            assert!(skew.most_ms - skew.least_ms < 100, "{ahead_ms}: {skew:?}");
            assert!((skew.certain_ms() - ahead_ms).abs() < 100, "{ahead_ms}: {skew:?}");
        }
    }

    #[test]
    fn a_few_answers_never_accuse_a_clock_that_is_right() {
        for every_ms in [1_000, 5_000, 9_999] {
            let skew = after(&SkewMeter::default(), Instant::now(), 12, every_ms, 0).unwrap();
            assert_eq!(skew.certain_ms(), 0, "every {every_ms} ms: {skew:?}");
        }
        assert_eq!(after(&SkewMeter::default(), Instant::now(), 3, 1_000, 0), None);
    }

    #[test]
    fn a_clock_that_is_set_is_measured_anew() {
        let (meter, start) = (SkewMeter::default(), Instant::now());
        after(&meter, start, 30, 173, 0);
        let skew = after(&meter, start + Duration::from_secs(6), 80, 173, 4_000).unwrap();
        assert!((skew.certain_ms() - 4_000).abs() < 100, "{skew:?}");
    }

    #[test]
    fn the_header_s_text_is_a_time() {
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(parse("yesterday"), None);
    }
}
