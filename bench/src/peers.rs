//! What we measure ourselves against, in the same run.

mod kafka;
mod prototype;

pub(crate) use kafka::{Flush, Kafka};
pub(crate) use prototype::Prototype;
