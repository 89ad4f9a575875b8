//! What every role's process needs, and nothing of what any role does:
//!
//! - [`Clock`]: the wall clock, which tests and simulation can set;
//! - [`Net`]: the network, which a simulation can be;
//! - [`Drain`]: every task hangs on one, and shutdown waits for it;
//! - [`Places`]: how many connections there may be, in all and from one address;
//! - [`usage`]: what the process takes of its machine;
//! - [`mutation`]: deliberate mistakes, in builds for that purpose only;
//! - [`tls`]: certificates from files, and the news when they change;
//! - [`admin`]: the HTTP listener for metrics, liveness and readiness.
#![forbid(unsafe_code)]

pub mod admin;
mod clock;
mod drain;
pub mod mutation;
pub mod net;
mod places;
pub mod tls;
pub mod usage;

pub use clock::Clock;
pub use drain::Drain;
pub use net::Net;
pub use places::{Place, Places, network};
