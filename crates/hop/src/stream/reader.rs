//! Frames in: bodies are slices of the buffer that the socket was read into.
//!
//! Small frames are read many at a time into a shared chunk. A large frame gets a buffer of
//! its own size, and reading stops four bytes behind it: the next frame's length is then
//! known, so that its payload also lands where it will stay. In a stream of large frames,
//! each costs one read and no copy; a large frame after small ones is copied by at most a
//! chunk.

use std::io;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::frame::{self, Frame, FrameError, PREFIX_BYTES};

/// A chunk for small frames, and the border between small and large. Also what a slice of a
/// small frame keeps alive at most.
const CHUNK_BYTES: usize = 16 * 1024;

/// With less room than this a new chunk is begun.
const ROOM_MIN: usize = 2 * 1024;

/// Room made for a frame of which nothing is known but that its predecessor was large.
const EXPECTED_MAX: usize = 1024 * 1024;

/// Why no more frames can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("connection ended within a frame")]
    Truncated,
}

/// Reads frames from a stream.
pub(crate) struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    /// Length of the last frame taken: the best guess at the next one's.
    last: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: BytesMut::new(), last: 0 }
    }

    /// The next frame, reading as often as it takes; `None` at the end of the stream.
    /// Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// The next frame, if it has been read already.
    pub(crate) fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let before = self.buffer.len();
        let frame = frame::take(&mut self.buffer)?;
        if frame.is_some() {
            self.last = before - self.buffer.len();
        }
        Ok(frame)
    }

    /// Reads once; false at the end of the stream. Nothing is lost if the future is dropped.
    pub(crate) async fn fill(&mut self) -> Result<bool, ReadError> {
        let room = self.make_room()?;
        let read = self.stream.read_buf(&mut (&mut self.buffer).limit(room)).await;
        let read = match read {
            // TLS whose other end went without a word. Frames say themselves when they are cut.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        match read {
            0 if self.buffer.is_empty() => Ok(false),
            0 => Err(ReadError::Truncated),
            _ => Ok(true),
        }
    }

    /// Makes room behind what has been read; returns how much of it to use.
    fn make_room(&mut self) -> Result<usize, FrameError> {
        let large = match frame::expected(&self.buffer)? {
            Some(total) if total > CHUNK_BYTES => Some(total - self.buffer.len()),
            None if self.last > CHUNK_BYTES => Some(self.last.min(EXPECTED_MAX)),
            _ => None,
        };
        if let Some(missing) = large {
            let room = missing + PREFIX_BYTES;
            self.buffer.reserve(room);
            return Ok(room);
        }
        if self.buffer.capacity() - self.buffer.len() < ROOM_MIN {
            self.buffer.reserve(CHUNK_BYTES);
        }
        Ok((self.buffer.capacity() - self.buffer.len()).min(CHUNK_BYTES))
    }
}

#[cfg(test)]
mod tests;
