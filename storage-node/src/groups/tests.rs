//! The host of the groups against a log in memory that can be held, filled up and lost.

mod fake_neighbours;
mod harness;
mod memory_log;

mod durability;
mod lifecycle;
mod loading;
mod routing;
mod transactions;
