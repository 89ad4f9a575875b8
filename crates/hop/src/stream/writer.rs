//! Frames out: many frames in one vectored write, payloads by reference.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use protocol::rope::Rope;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{caller, frame::Head, limits::WRITE_TIMEOUT, request::HopHeader};

/// Pieces up to this length are copied next to each other: cheaper than one more entry in
/// the vectored write. A run of small frames becomes one piece, a produce becomes two.
const JOIN_BYTES_MAX: usize = 1024;

/// Frames collected for one write.
#[derive(Default)]
pub(crate) struct FrameBatch {
    /// Small pieces that follow what is in `rope`.
    tail: BytesMut,
    rope: Rope,
    frames: usize,
}

impl FrameBatch {
    /// Adds a request.
    pub(crate) fn request(&mut self, head: Head, header: &HopHeader, body: &Rope) {
        head.put(caller::encoded_len(header), body.remaining(), &mut self.tail);
        caller::put(header, &mut self.tail);
        self.body(body);
    }

    /// Adds a frame without caller block.
    pub(crate) fn frame(&mut self, head: Head, body: &Rope) {
        head.put(0, body.remaining(), &mut self.tail);
        self.body(body);
    }

    fn body(&mut self, body: &Rope) {
        self.frames += 1;
        for piece in body.chunks() {
            if piece.len() <= JOIN_BYTES_MAX {
                self.tail.put_slice(piece);
            } else {
                self.rope.push(self.tail.split().freeze());
                self.rope.push(Bytes::clone(piece));
            }
        }
    }

    /// How many frames were added since the last [`FrameBatch::take`].
    pub(crate) fn len(&self) -> usize {
        self.frames
    }

    /// The frames' bytes; leaves an empty batch.
    pub(crate) fn take(&mut self) -> Rope {
        self.frames = 0;
        self.rope.push(self.tail.split().freeze());
        std::mem::take(&mut self.rope)
    }
}

/// Writes all of `rope`, giving up when the peer takes nothing for too long.
pub(crate) async fn write_all<W>(stream: &mut W, mut rope: Rope) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    while rope.has_remaining() {
        let written = tokio::time::timeout(WRITE_TIMEOUT, stream.write_buf(&mut rope)).await??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use protocol::{StrBytes, ids::TenantId};

    use super::*;
    use crate::{api::Api, frame, request::HopHeader};

    fn header() -> HopHeader {
        HopHeader {
            principal: StrBytes::from_static_str("User:alice"),
            ..HopHeader::internal(TenantId(1), std::time::Duration::from_secs(1))
        }
    }

    #[test]
    fn a_payload_is_passed_on_and_the_rest_joined() {
        let payload = Bytes::from(vec![7; 65_536]);
        let body = Rope::from(vec![Bytes::from_static(b"before"), payload.clone()]);
        let mut batch = FrameBatch::default();
        for correlation in 1..=3 {
            let mut body = body.clone();
            body.push(Bytes::from_static(b"after"));
            batch.request(Head::request(Api::Produce, TenantId(1), correlation), &header(), &body);
        }
        assert_eq!(batch.len(), 3);
        let rope = batch.take();
        assert_eq!(batch.len(), 0);

        let pieces: Vec<_> = rope.chunks().collect();
        assert_eq!(pieces.len(), 7, "two per frame and what follows the last payload");
        for payload_piece in [pieces[1], pieces[3], pieces[5]] {
            assert_eq!(payload_piece.as_ptr(), payload.as_ptr(), "not copied");
        }

        let mut bytes = BytesMut::from(&rope.into_bytes()[..]);
        for correlation in 1..=3 {
            let frame = frame::take(&mut bytes).unwrap().expect("whole");
            assert_eq!(frame.head, Head::request(Api::Produce, TenantId(1), correlation));
            assert_eq!(caller::parse(TenantId(1), &frame.caller), Ok(header()));
            assert_eq!(frame.body.len(), "before".len() + payload.len() + "after".len());
        }
        assert!(bytes.is_empty());
    }

    #[test]
    fn small_frames_become_one_piece() {
        let mut batch = FrameBatch::default();
        for correlation in 1..=10 {
            let head = Head::request(Api::Heartbeat, TenantId(1), correlation);
            batch.request(head, &header(), &Rope::from(Bytes::from_static(b"alive")));
        }
        assert_eq!(batch.take().chunks().count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (mut near, _far) = tokio::io::duplex(16);
        let stuck = write_all(&mut near, Rope::from(Bytes::from(vec![0; 17]))).await;
        assert_eq!(stuck.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
