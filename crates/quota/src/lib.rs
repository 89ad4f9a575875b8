//! Rates that several gateways keep together: what each may let through, so that the sum holds.
//!
//! ```text
//! gateway                                    control's leader
//!   Bucket ── used, debt ──► Report ────────►  Ledger: divides by demand, never grants
//!   Bucket ◄── rate ── Lease ◄── Grants ◄────  what another gateway may still be using
//! ```
//!
//! In: times of the caller's monotonic clock, as the time since any moment. Out: rates and waits.
//! Never: I/O, clocks, locks. Why shares and not a counter in one place: ADR 0029.
//!
//! # The promise
//! A share is a lease (R64): the gateway counts its time from when it *sent* the report, control
//! from when it *received* it, so a share is over for its holder before it is over for control.
//!
//! ```text
//! share of a gateway      since its last answered report
//!   what was granted       up to LEASE
//!   at most rate/n         up to ALONE: control gives the difference to nobody else meanwhile
//!   rate/n                 from then on: control has kept it free since LEASE
//! ```
//!
//! Without a grant a gateway has the floor, which is never divided, so that a client is served
//! before control has heard of it.

#![forbid(unsafe_code)]

mod bucket;
mod divide;
mod lease;
mod ledger;
mod limits;

pub use bucket::{Bucket, Ticket};
pub use lease::Lease;
pub use ledger::{Grants, Ledger, Report, Want};
pub use limits::{ALONE, BURST, ENTITIES_MAX, FLOOR, LEASE};
