//! SeqLog: the one primitive under data logs, object WALs and the metadata log.
//!
//! Immutable objects at slots 0, 1, 2, …, each created on condition that its key
//! is free, and one END object that closes the log for ever:
//!
//! ```text
//!  slot   0      1      2      3      4      5
//!       OPEN   DATA   DATA   DATA   END    (late DATA)
//!       └────────── the log ──────────┘     dead: nobody reads it
//! ```
//!
//! - The log is slots 0, 1, 2, … until END or the first hole; nothing else is
//!   part of it (RELIABILITY §4.1).
//! - One writer ever: the log's name holds its incarnation's nonce. Others may
//!   only place END, at the first hole and never after the highest key, and drain
//!   records that the dead writer's front already made durable (R24).
//! - A slot's bytes are frozen at the first attempt (R14), and a slot has one
//!   content for ever, because creation is atomic (R16) and END and the slots
//!   before it are never deleted while they could be re-created (R8).
//! - The metadata log differs in one point: its successive leaders write under
//!   one name, and whoever loses a slot stops being the writer.

mod end;
mod frozen;
mod pace;
mod pipeline;
mod reader;
mod record;
mod slot;
mod tail;
mod writer;

pub use end::{EndOutcome, place_end, try_end};
pub use pace::Pace;
pub use pipeline::{IN_FLIGHT_MAX, PipelinedWriter};
pub use reader::{ReadError, Scan, SeqLogReader, Slot, Tail};
pub use record::{CloseRecord, EndReason, EndRecord, IndexReference, OpenSlot, WalKind};
pub use slot::{HEADER_LEN, SlotHeader, SlotKind};
pub use writer::{AppendError, PAYLOAD_BYTES_MAX, SeqLogWriter};

#[cfg(test)]
mod tests;
