//! Gateway sets: which of them the clients' name stands for, and when that changes (R50, R55).
//!
//! ```text
//! vantage points ──produce, fetch──► every set          [`vantage`], [`probe`], [`access`]
//!       │ findings, under a lease
//!       ▼
//! metadata store ──► [`switcher`] ──► [`switch`] decides ──► c/set, generation + 1 (R11)
//!                        ▲                                        │
//!        operators ── [`orders`]                                  ▼
//!                                     DNS: addresses and generation, compared and swapped
//!                                     [`provider`], [`rfc2136`], [`webhook`]
//! ```
//!
//! A switch is decided once, by whoever leads, in the metadata store; only then DNS is changed, by an
//! update that holds only if DNS still says what was decided upon. So two leaders cannot switch
//! differently, and neither can two clusters that share a name. DNS is never a fence (R50): the set
//! that clients leave goes on serving those who have not noticed.

mod access;
mod board;
mod config;
mod connection;
mod content;
mod examine;
mod orders;
mod probe;
mod provider;
mod rfc2136;
mod switch;
mod switcher;
mod vantage;
mod webhook;

#[cfg(test)]
mod conformance;

pub(crate) use self::board::{Board, Shown, ShownSet};
pub use self::config::{
    GatewaySetConfig, GatewaySetsConfig, ProbeConfig, ProbeMechanism, ProbeSaslConfig,
    ProbeTlsConfig, Rfc2136Config, VantageConfig, VantageConfigError, VantageSetConfig,
    WebhookConfig,
};
pub use self::examine::{look, names, try_dns};
pub(crate) use self::orders::{Order, Refused};
pub use self::provider::DnsError;
pub(crate) use self::provider::DnsProvider;
pub(crate) use self::switch::Verdict;
pub(crate) use self::switcher::{Parts, Switcher};
pub(crate) use self::vantage::of_control;
pub use self::vantage::watch;

use std::sync::Arc;

use process::{Clock, net::Net};

/// The way to DNS, as configured; `None` where nobody switches sets.
pub(crate) fn provider(
    config: &GatewaySetsConfig,
    net: &Net,
    clock: &Clock,
) -> Result<Option<Arc<dyn DnsProvider>>, DnsError> {
    if config.is_off() {
        return Ok(None);
    }
    let owner = content::stamp_name(&config.name);
    if let Some(webhook) = &config.webhook {
        return Ok(Some(Arc::new(webhook::Webhook::new(webhook)?)));
    }
    let Some(server) = &config.rfc2136 else { return Ok(None) };
    Ok(Some(Arc::new(rfc2136::Rfc2136::new(server, &owner, net.clone(), clock.clone())?)))
}
