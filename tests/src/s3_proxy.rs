//! A proxy in front of a real S3 server that fails in chosen ways (RELIABILITY §5.4).
//!
//! ```text
//! node, reader ──► proxy: first rule that hits ──► S3 server
//!                    └─ delay · refuse · lose the answer · apply later · answer wrongly
//! ```
//!
//! Requests are forwarded as they came, with their signature. Which request a rule hits is counted
//! and not drawn: a share of 0.2 is every fifth matching request, in every run.

mod rule;
mod serve;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use self::rule::Rules;
pub use self::rule::{Fault, Rule, Which};
use crate::process::free_address;

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct S3Proxy {
    address: SocketAddr,
    rules: Arc<Mutex<Rules>>,
    _runtime: Runtime,
}

impl S3Proxy {
    /// Listens on a free port and forwards to `upstream`.
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let address = free_address()?;
        let rules = Arc::new(Mutex::new(Rules::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("s3-proxy")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let shared =
            serve::Shared { upstream, rules: Arc::clone(&rules), handle: runtime.handle().clone() };
        runtime.handle().spawn(serve::serve(listener, shared));
        Ok(Self { address, rules, _runtime: runtime })
    }

    /// Where S3 clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these rules hold, and no others.
    pub fn set(&self, rules: Vec<Rule>) {
        *self.rules.lock() = Rules::new(rules);
    }

    /// Everything is forwarded again.
    pub fn heal(&self) {
        self.set(Vec::new());
    }

    /// How many requests the present rules have hit.
    pub fn hits(&self) -> u64 {
        self.rules.lock().hits()
    }
}
