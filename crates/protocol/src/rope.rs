//! Bytes to send, made of pieces: payloads are linked in, not copied.
//!
//! [`RopeMut`] collects small fields in one buffer and remembers where a payload belongs between
//! them; [`Rope`] is the result, a [`Buf`] whose `chunks_vectored` feeds a vectored write. The
//! generated encoders of `kafka-protocol` would copy every record set, which for a 1 MiB Fetch
//! response costs a thousand times the rest of the encoding; hence the hand-written encoders of
//! [`crate::fetch`] and [`crate::produce`]. (`RopeMut` cannot pose as a `BufMut` to the generated
//! ones: that trait is unsafe to implement.)

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use crate::error::EncodeError;

/// Below this a copy is cheaper than one more entry in the vectored write.
const LINK_BYTES_MIN: usize = 512;

/// A frame or message under construction.
#[derive(Debug, Default)]
pub struct RopeMut {
    /// All small fields, in order.
    fields: BytesMut,
    /// Payloads, each with the number of field bytes that stand before it.
    payloads: Vec<(usize, Bytes)>,
    payload_bytes: usize,
}

impl RopeMut {
    /// An empty rope.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty rope with room for `bytes` of small fields.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { fields: BytesMut::with_capacity(bytes), ..Self::default() }
    }

    /// Bytes so far, payloads included.
    pub fn len(&self) -> usize {
        self.fields.len() + self.payload_bytes
    }

    /// True when nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where small fields are written: anything that implements `Encodable` can be encoded here.
    pub fn fields(&mut self) -> &mut BytesMut {
        &mut self.fields
    }

    /// Appends a whole message by its generated encoder (payloads in it are copied).
    pub fn message<M: Encodable>(&mut self, message: &M, version: i16) -> Result<(), EncodeError> {
        message.encode(&mut self.fields, version).map_err(EncodeError::from_generated)
    }

    /// Appends a payload without copying it (tiny ones are copied).
    pub fn link(&mut self, payload: Bytes) {
        if payload.len() < LINK_BYTES_MIN {
            self.fields.put_slice(&payload);
        } else {
            self.payload_bytes += payload.len();
            self.payloads.push((self.fields.len(), payload));
        }
    }

    /// The finished rope.
    pub fn finish(self) -> Rope {
        let remaining = self.len();
        let mut fields = self.fields.freeze();
        let mut chunks = VecDeque::with_capacity(2 * self.payloads.len() + 1);
        let mut taken = 0;
        for (at, payload) in self.payloads {
            if at > taken {
                chunks.push_back(fields.split_to(at - taken));
                taken = at;
            }
            chunks.push_back(payload);
        }
        if !fields.is_empty() {
            chunks.push_back(fields);
        }
        Rope { chunks, remaining }
    }

    /// The finished rope as a frame. The rope must have begun with [`RopeMut::frame`].
    pub fn finish_frame(mut self) -> Result<Rope, EncodeError> {
        let length = self.len() - crate::frame::PREFIX_BYTES;
        let prefix = i32::try_from(length).map_err(|_| EncodeError::FrameTooLong { length })?;
        self.fields[..crate::frame::PREFIX_BYTES].copy_from_slice(&prefix.to_be_bytes());
        Ok(self.finish())
    }

    /// An empty frame: room for the length prefix, to be filled by [`RopeMut::finish_frame`].
    pub fn frame(capacity: usize) -> Self {
        let mut rope = Self::with_capacity(crate::frame::PREFIX_BYTES + capacity);
        rope.fields.put_i32(0);
        rope
    }
}

/// Bytes in several pieces, read front to back.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    /// Never holds an empty piece: `chunk` must not be empty while bytes remain.
    chunks: VecDeque<Bytes>,
    remaining: usize,
}

impl Rope {
    /// The rope as one contiguous piece: copies unless it already is one. For tests and small
    /// messages.
    pub fn into_bytes(mut self) -> Bytes {
        self.copy_to_bytes(self.remaining)
    }

    /// The pieces, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        self.chunks.iter()
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.remaining += piece.len();
            self.chunks.push_back(piece);
        }
    }
}

impl From<Bytes> for Rope {
    fn from(piece: Bytes) -> Self {
        let mut rope = Self::default();
        rope.push(piece);
        rope
    }
}

impl From<Vec<Bytes>> for Rope {
    fn from(pieces: Vec<Bytes>) -> Self {
        let mut rope = Self::default();
        pieces.into_iter().for_each(|piece| rope.push(piece));
        rope
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "advanced past the end of the rope");
        self.remaining -= count;
        while count > 0 {
            let front = self.chunks.front_mut().expect("bytes remain");
            if front.len() > count {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.chunks.pop_front();
        }
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        assert!(count <= self.remaining, "copied past the end of the rope");
        if let Some(front) = self.chunks.front_mut()
            && front.len() >= count
        {
            let piece = front.split_to(count);
            if front.is_empty() {
                self.chunks.pop_front();
            }
            self.remaining -= count;
            return piece;
        }
        let mut copy = BytesMut::with_capacity(count);
        copy.put(self.take(count));
        copy.freeze()
    }
}

#[cfg(test)]
mod tests;
