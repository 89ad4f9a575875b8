//! The authoriser: access control entries made into something that answers fast.
//!
//! The rules are those of Kafka's `StandardAuthorizer`:
//!
//! ```text
//! super user ─────────────────────────────► allowed
//! a DENY entry matches ───────────────────► denied
//! an ALLOW entry matches ─────────────────► allowed
//! no entry at all is about the resource ──► as allow.everyone.if.no.acl.found says
//! otherwise ──────────────────────────────► denied
//! ```
//!
//! An entry matches if its principal is the client's or `User:*`, its host the client's or `*`, its
//! operation the one asked for or ALL, and its pattern the resource: literally, as its beginning,
//! or as `*`. ALLOW for READ, WRITE, DELETE or ALTER implies DESCRIBE, for ALTER_CONFIGS
//! DESCRIBE_CONFIGS; DENY implies nothing.
//!
//! A tenant's entries are compiled once per revision of its settings ([`Authorisers`]), and what one
//! client may do is looked up in them by its [`Authority`]: at most two principals, each with one
//! look for the name and one for every length that a prefix of that principal has. Nothing is
//! allocated for it, and no lock taken.

mod authority;
mod compiled;
mod patterns;
mod rules;
mod shared;
#[cfg(test)]
mod tests;

pub(crate) use self::authority::{Authority, Resource};
pub(crate) use self::rules::Rules;
pub(crate) use self::shared::Authorisers;
