//! Where a frame ends: a big-endian `i32` length, then that many bytes.
//!
//! Looked at before anything is allocated for the frame, so a claimed length costs nothing.

use thiserror::Error;

use crate::limits::FRAME_BYTES_MIN;

/// Bytes of the length in front of every frame.
pub const PREFIX_BYTES: usize = 4;

/// A frame that ends the connection: after it, frame borders cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The length is negative, or too short for a request header.
    #[error("frame of {length} bytes is shorter than a request header")]
    TooShort {
        /// The length as claimed.
        length: i32,
    },
    /// The length is above what this connection may send.
    #[error("frame of {length} bytes is longer than the allowed {max}")]
    TooLong {
        /// The length as claimed.
        length: i32,
        /// What was allowed.
        max: usize,
    },
}

/// The length of the frame at the start of `buffer`, its prefix included; `None` while the prefix
/// itself or the rest of the frame has not arrived.
///
/// A frame that will never be accepted is refused as soon as its prefix is there.
pub fn check(buffer: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
    Ok(expected(buffer, max)?.filter(|total| buffer.len() >= *total))
}

/// Like [`check`], but also for a frame that is still arriving: how large a buffer it needs.
pub fn expected(buffer: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
    expected_from(FRAME_BYTES_MIN, buffer, max)
}

/// The same for a frame that is a SASL token without a header, which may be empty.
pub fn expected_bare(buffer: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
    expected_from(0, buffer, max)
}

fn expected_from(min: usize, buffer: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(*prefix);
    let Ok(body) = usize::try_from(length) else {
        return Err(FrameError::TooShort { length });
    };
    if body < min {
        return Err(FrameError::TooShort { length });
    }
    if body > max {
        return Err(FrameError::TooLong { length, max });
    }
    Ok(Some(PREFIX_BYTES + body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: i32, body: usize) -> Vec<u8> {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.resize(PREFIX_BYTES + body, 0);
        bytes
    }

    #[test]
    fn a_frame_is_found_only_when_whole() {
        for arrived in 0..10 {
            assert_eq!(check(&frame(10, arrived), 100), Ok(None));
        }
        assert_eq!(check(&frame(10, 10), 100), Ok(Some(14)));
        assert_eq!(check(&frame(10, 99), 100), Ok(Some(14)), "bytes of the next frame follow");
        assert_eq!(check(&[0, 0, 0], 100), Ok(None));
    }

    #[test]
    fn a_bare_token_may_be_short_but_not_long() {
        assert_eq!(expected_bare(&frame(0, 0), 100), Ok(Some(4)));
        assert_eq!(expected_bare(&frame(3, 0), 100), Ok(Some(7)));
        assert!(expected_bare(&frame(-1, 0), 100).is_err());
        assert!(expected_bare(&frame(101, 0), 100).is_err());
    }

    #[test]
    fn impossible_lengths_are_refused_by_the_prefix_alone() {
        assert_eq!(check(&frame(-1, 0), 100), Err(FrameError::TooShort { length: -1 }));
        assert_eq!(check(&frame(i32::MIN, 0), 100), Err(FrameError::TooShort { length: i32::MIN }));
        assert_eq!(check(&frame(7, 7), 100), Err(FrameError::TooShort { length: 7 }));
        assert_eq!(check(&frame(101, 0), 100), Err(FrameError::TooLong { length: 101, max: 100 }));
        assert_eq!(check(&frame(100, 100), 100), Ok(Some(104)));
    }
}
