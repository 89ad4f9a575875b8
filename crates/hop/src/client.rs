//! The calling end: lanes to one peer, each over a connection of its own.

mod connect;
mod connection;
mod lane;
mod pending;

pub(crate) use lane::{Dialler, Lane};

#[cfg(test)]
mod tests;
