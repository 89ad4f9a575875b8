//! The walk over a request's body that comes before every decode of client bytes.
//!
//! The generated decoders reserve memory for whatever count the wire claims: five bytes make
//! Metadata v12 ask for 309 GB, which aborts the process. So the body is first walked along a table
//! of request shapes, allocating nothing, and refused unless
//!
//! - every count could be meant: that many elements of minimal size fit into what is left,
//! - all arrays and tagged fields together stay within an element budget, for one wire byte may
//!   decode to 232 bytes,
//! - every length ends inside the body, and every varint fits 32 bits,
//! - known tagged fields fill exactly the size they declare, and nothing follows the last field.
//!
//! Nesting is bounded by the tables: no shape refers to itself.
//! What is accepted here may still be refused by the decoder (say, a null where none may be).

use kafka_protocol::messages::ApiKey;
use thiserror::Error;

use crate::limits::REQUEST_ELEMENTS_MAX;

mod cursor;
mod shape;
mod shapes;
mod walk;

pub(crate) use cursor::Cursor;

#[cfg(test)]
mod tests;

/// Why a body was refused. Positions count from its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PreflightError {
    /// No shape is known: we do not serve this request.
    #[error("no shape for api key {api_key} version {version}")]
    NoShape {
        /// The API.
        api_key: i16,
        /// The version.
        version: i16,
    },
    /// A field ends beyond the body.
    #[error("body ends inside the field at byte {at}")]
    Truncated {
        /// Where the field starts.
        at: usize,
    },
    /// A length or count is below -1.
    #[error("negative length at byte {at}")]
    NegativeLength {
        /// Where the length starts.
        at: usize,
    },
    /// A varint does not fit 32 bits.
    #[error("varint overflow at byte {at}")]
    VarintOverflow {
        /// Where the varint starts.
        at: usize,
    },
    /// An array claims more elements than could follow.
    #[error("array of {count} elements at byte {at} cannot fit into what follows")]
    ImpossibleCount {
        /// Where the count starts.
        at: usize,
        /// What it says.
        count: usize,
    },
    /// The request has more elements than one request may.
    #[error("more than {} elements in one request", REQUEST_ELEMENTS_MAX)]
    TooManyElements,
    /// A tagged field is not as long as it says.
    #[error("tagged field at byte {at} is not as long as it says")]
    TagLength {
        /// Where the field's content starts.
        at: usize,
    },
    /// Bytes follow the last field.
    #[error("{count} bytes follow the request")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

/// Bytes that may follow a request of this kind.
///
/// librdkafka asks for all topics with a null array whose compact length it leaves four bytes wide
/// (its issue 5049), so that three bytes are left over. Kafka's brokers ignore what follows a
/// request; closing the connection would end every subscription to a regular expression.
pub(crate) fn trailing_bytes_max(api_key: i16, version: i16) -> usize {
    let compact = api_key == ApiKey::Metadata as i16 && version >= 9;
    if compact { 3 } else { 0 }
}

/// Checks that `body` may be given to the decoder of this request.
pub fn walk(api_key: i16, version: i16, body: &[u8]) -> Result<(), PreflightError> {
    let no_shape = PreflightError::NoShape { api_key, version };
    let key = ApiKey::try_from(api_key).map_err(|()| no_shape)?;
    let shape = shapes::of(key).filter(|_| crate::versions::is_served(api_key, version));
    let left = walk::Walk::new(shape.ok_or(no_shape)?, version, body).run()?;
    if left > trailing_bytes_max(api_key, version) {
        return Err(PreflightError::TrailingBytes { count: left });
    }
    Ok(())
}
