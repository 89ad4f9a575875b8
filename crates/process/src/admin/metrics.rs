//! The process-wide metrics recorder and the buckets every histogram gets.
//!
//! Buckets follow the unit that ends a metric's name, so a crate that records a new
//! `…_seconds` or `…_bytes` histogram has nothing to configure and dashboards can compare
//! any two of them.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;

use crate::Drain;

/// How often samples are moved from the recording side into the histograms. Samples
/// between two runs are held one by one, so this also bounds their memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// From a write to a local device (~100 µs) to a long poll and a slow cold read, in steps
/// of about 2: an error of one step is less than the run-to-run noise.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_5, 0.003, 0.006, 0.012, 0.025, 0.05, 0.1,
    0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0, 60.0,
];

/// From an empty request to the largest frame (100 MiB), in steps of 4.
const BYTES: &[f64] = &[
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
];

/// Anything else that is distributed: records, requests or entries per batch.
const COUNTS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0,
];

/// Reads what the process has recorded; cheap to clone.
#[derive(Clone, Debug)]
pub struct MetricsHandle(PrometheusHandle);

/// Why the recorder could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Some other recorder is the process's recorder already.
    #[error("another metrics recorder is already installed")]
    AlreadyInstalled,
}

static INSTALLED: Mutex<Option<MetricsHandle>> = Mutex::new(None);

/// Makes the Prometheus recorder the process's recorder and keeps it up until `drain`.
/// A second call gives the same recorder: several clusters may run in one test process.
pub fn install_metrics(drain: &Drain) -> Result<MetricsHandle, InstallError> {
    let handle = install_once()?;
    let upkept = handle.clone();
    let draining = drain.draining();
    drain.spawn("metrics upkeep", async move {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(draining);
        loop {
            tokio::select! {
                () = &mut draining => break,
                _ = ticks.tick() => upkept.0.run_upkeep(),
            }
        }
    });
    Ok(handle)
}

fn install_once() -> Result<MetricsHandle, InstallError> {
    let mut installed = INSTALLED.lock();
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let recorder = recorder();
    let handle = MetricsHandle(recorder.handle());
    metrics::set_global_recorder(recorder).map_err(|_| InstallError::AlreadyInstalled)?;
    *installed = Some(handle.clone());
    Ok(handle)
}

fn recorder() -> metrics_exporter_prometheus::PrometheusRecorder {
    const NOT_EMPTY: &str = "bucket lists are not empty";
    PrometheusBuilder::new()
        .set_buckets(COUNTS)
        .expect(NOT_EMPTY)
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .expect(NOT_EMPTY)
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), BYTES)
        .expect(NOT_EMPTY)
        .build_recorder()
}

impl MetricsHandle {
    /// Everything recorded so far, in Prometheus text format.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

#[cfg(test)]
impl MetricsHandle {
    /// A recorder of one test, not installed in the process.
    pub(super) fn isolated() -> (metrics_exporter_prometheus::PrometheusRecorder, Self) {
        let recorder = recorder();
        let handle = Self(recorder.handle());
        (recorder, handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_the_unit_in_the_name() {
        let (recorder, handle) = MetricsHandle::isolated();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("append_seconds").record(0.000_3);
            metrics::histogram!("request_bytes").record(5_000.0);
            metrics::histogram!("batch_records").record(3.0);
        });
        let text = handle.render();
        for line in [
            "append_seconds_bucket{le=\"0.0002\"} 0",
            "append_seconds_bucket{le=\"0.0004\"} 1",
            "request_bytes_bucket{le=\"4096\"} 0",
            "request_bytes_bucket{le=\"16384\"} 1",
            "batch_records_bucket{le=\"2\"} 0",
            "batch_records_bucket{le=\"4\"} 1",
        ] {
            assert!(text.contains(line), "no `{line}` in\n{text}");
        }
    }

    #[test]
    fn bucket_bounds_rise() {
        for bounds in [SECONDS, BYTES, COUNTS] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }

    #[tokio::test]
    async fn installing_twice_gives_the_same_recorder() {
        let drain = Drain::new();
        let first = install_metrics(&drain).unwrap();
        let second = install_metrics(&drain).unwrap();
        metrics::counter!("installed_twice_total").increment(3);
        assert!(first.render().contains("installed_twice_total 3"));
        assert!(second.render().contains("installed_twice_total 3"));
        assert!(drain.finish(Duration::from_secs(5)).await);
    }
}
