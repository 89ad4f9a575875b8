//! The admin listener: what an operator, a probe or a scraper asks of any process.
//!
//! | path       | answer |
//! |------------|--------|
//! | `/metrics` | Prometheus text |
//! | `/healthz` | 200 while the process runs at all |
//! | `/readyz`  | 200 once every [`Gate`] is open; else 503 with the names of the closed ones |
//!
//! It has its own listener so that it is never reachable where clients are.

mod metrics;
mod ready;
mod server;

pub use metrics::{InstallError, MetricsHandle, install_metrics};
pub use ready::{Gate, Readiness};
pub use server::serve;
