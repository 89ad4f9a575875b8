//! Frames over a byte stream, in both directions, with the fewest copies and system calls.

mod reader;
mod writer;

pub(crate) use reader::{FrameReader, ReadError};
pub(crate) use writer::{FrameBatch, write_all};
