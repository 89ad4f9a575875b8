//! The calling end: lanes to one peer, each over a connection of its own.

mod connect;
mod connection;
mod lane;
mod pending;

pub(crate) use lane::{Identity, Lane};

#[cfg(test)]
mod tests;
