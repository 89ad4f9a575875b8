//! The admin listener: what an operator, a probe or a scraper asks of any process.
//!
//! | path       | answer |
//! |------------|--------|
//! | `/metrics` | Prometheus text |
//! | `/healthz` | 200 while the process runs at all |
//! | `/readyz`  | 200 once every [`Gate`] is open; else 503 with the names of the closed ones |
//!
//! It has its own listener so that it is never reachable where clients are. It asks nobody who he is,
//! so it bounds what anybody can take: connections, of one address a part of them, the time of each,
//! and the CPU that goes into texts ([`page`]).

mod metrics;
mod page;
mod ready;
mod server;

pub use metrics::{InstallError, MetricsHandle, install_metrics};
pub use ready::{Gate, Readiness};
pub use server::serve;
