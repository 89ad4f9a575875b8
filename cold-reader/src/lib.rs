//! The cold path: a plan comes in, ranged GETs go out, verified records come back.

mod config;
mod registration;
mod role;
mod server;

pub use config::Config;
pub use role::{Deps, Reader, RoleError, run, start};
