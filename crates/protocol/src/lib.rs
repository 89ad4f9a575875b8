//! Bytes on the network: Kafka framing, versions, limits, errors and batches.
//!
//! In: bytes that a peer sent, or an answer to be sent.
//! Out: typed requests that are safe to hold, or a [`rope::Rope`] ready for a vectored write.
//! Never: I/O, clocks, tasks. The whole crate is sans-IO, and it is the only user of
//! `kafka-protocol`, whose types it re-exports in [`messages`].
//!
//! A client frame passes the modules in this order: [`frame`] finds its end, [`header`] reads who
//! asks for what, [`request`] looks it up in [`versions`], walks the body in [`preflight`] and only
//! then decodes it. Record sets stay opaque `Bytes`; [`batch`] looks at their headers. Answers
//! leave through [`response`], fetched records through [`fetch`] without a copy.
//!
//! ```
//! use protocol::{frame, limits};
//!
//! // Four bytes of length, then the frame: not complete yet.
//! assert_eq!(frame::check(&[0, 0, 0, 9, 0], limits::FRAME_BYTES_MAX), Ok(None));
//! // Five bytes that claim two gigabytes are refused before anything is allocated.
//! assert!(frame::check(&[0x7f, 0xff, 0xff, 0xff, 0], limits::FRAME_BYTES_MAX).is_err());
//! ```

pub mod limits;

pub mod frame;
pub mod header;
pub mod preflight;
pub mod versions;

pub mod batch;
pub mod error;
pub mod fetch;
pub mod ids;
pub mod messages;
pub mod produce;
pub mod release;
pub mod request;
pub mod response;
pub mod rope;

mod wire;

pub use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
pub use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

pub use crate::error::{DecodeError, EncodeError, ErrorCode, ProtocolError};
