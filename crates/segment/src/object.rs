//! Segment object: many partitions' batches in one object that describes itself.
//!
//! It is the payload of a data-log slot, and what a compacted object will be:
//!
//! ```text
//! ┌─────────────┬─────────┬─────────┬─────┬────────┬─────────┐
//! │ slot header │ block 0 │ block 1 │  …  │ footer │ trailer │
//! └─────────────┴─────────┴─────────┴─────┴────────┴─────────┘
//!   72 bytes      sorted by (tenant, topic,          16 bytes, found
//!                 partition), then by offset         from the end
//! ```
//!
//! - A block is one partition's batches as stored, at most 4 MiB of them (or one
//!   larger batch), of one leader epoch and with dense offsets, of which only compaction by key
//!   takes some away ([`block`]).
//! - The footer repeats every block's header with its place, and adds a summary
//!   of every batch: enough to rebuild the index and the producer table without
//!   reading a record ([`footer`]).
//! - All places are counted from the start of the stored object.

pub mod block;
pub mod builder;
pub mod footer;

pub use block::{
    BLOCK_HEADER_LEN, Block, BlockError, BlockHeader, is_sealed, open_block, open_block_in_place,
    read_block_header,
};
pub use builder::{AddError, BLOCK_BYTES_MAX, ObjectBuilder};
pub use footer::{BATCH_LEN_MAX, BatchMeta, BlockEntry, Footer, FooterError, read_footer};

#[cfg(test)]
mod tests;
