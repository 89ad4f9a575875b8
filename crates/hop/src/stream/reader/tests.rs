//! Frames through a stream that hands out what it is given, and counts.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use protocol::ids::TenantId;
use tokio::io::ReadBuf;

use super::*;
use crate::{api::Api, frame::Head};

/// A socket that has received these pieces; a read gets at most one of them.
struct Socket {
    pieces: VecDeque<Bytes>,
    reads: usize,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads += 1;
        let Some(mut piece) = self.pieces.pop_front() else { return Poll::Ready(Ok(())) };
        let fits = piece.len().min(buffer.remaining());
        buffer.put_slice(&piece[..fits]);
        piece.advance(fits);
        if !piece.is_empty() {
            self.pieces.push_front(piece);
        }
        Poll::Ready(Ok(()))
    }
}

fn reader(pieces: impl IntoIterator<Item = Bytes>) -> FrameReader<Socket> {
    FrameReader::new(Socket { pieces: pieces.into_iter().collect(), reads: 0 })
}

fn frame(correlation: u64, body_bytes: usize) -> BytesMut {
    let mut bytes = BytesMut::new();
    let head = Head::request(Api::Produce, TenantId(1), correlation);
    head.put(0, body_bytes, &mut bytes);
    bytes.put_bytes(correlation as u8, body_bytes);
    bytes
}

fn frames(lengths: &[usize]) -> Bytes {
    let frames = lengths.iter().enumerate().map(|(at, length)| frame(at as u64, *length));
    frames
        .fold(BytesMut::new(), |mut all, next| {
            all.unsplit(next);
            all
        })
        .freeze()
}

async fn expect(reader: &mut FrameReader<Socket>, lengths: &[usize]) {
    for (at, length) in lengths.iter().enumerate() {
        let frame = reader.next().await.unwrap().expect("a frame is left");
        assert_eq!(frame.head.correlation, at as u64);
        assert_eq!(frame.body.len(), *length);
        assert!(frame.body.iter().all(|byte| *byte == at as u8));
    }
    assert!(reader.next().await.unwrap().is_none());
}

#[tokio::test]
async fn frames_arrive_however_the_stream_is_cut() {
    let lengths = [0, 1, 100_000, 5, 20_000, 16_360, 16_361, 3, 70_000, 70_000, 0];
    let stream = frames(&lengths);
    for cut in [1_000, 4_096, 16_384, 65_536, usize::MAX] {
        let mut left = stream.clone();
        let mut pieces = Vec::new();
        while !left.is_empty() {
            pieces.push(left.split_to(cut.min(left.len())));
        }
        expect(&mut reader(pieces), &lengths).await;
    }
    // Byte by byte, on a stream short enough to wait for.
    let lengths = [0, 1, 7];
    let bytes = frames(&lengths);
    expect(&mut reader((0..bytes.len()).map(|at| bytes.slice(at..=at))), &lengths).await;
}

#[tokio::test]
async fn small_frames_share_a_read() {
    let lengths = [100; 100];
    let mut reader = reader([frames(&lengths)]);
    expect(&mut reader, &lengths).await;
    assert_eq!(reader.stream.reads, 2, "all of them, and the end");
}

#[tokio::test]
async fn a_stream_of_large_frames_costs_a_read_each() {
    let lengths = [65_536; 50];
    let mut reader = reader([frames(&lengths)]);
    expect(&mut reader, &lengths).await;
    // The first one is a surprise and takes two.
    assert_eq!(reader.stream.reads, 50 + 2);
}

#[tokio::test]
async fn an_end_within_a_frame_is_an_error() {
    let stream = frames(&[100]);
    for arrived in 1..stream.len() {
        let cut = reader([stream.slice(..arrived)]).next().await;
        assert!(matches!(cut, Err(ReadError::Truncated)), "{arrived}");
    }
}

#[tokio::test]
async fn garbage_is_an_error() {
    let garbage = reader([Bytes::from_static(b"\x16\x03\x01\x02\x00\x01\x00")]).next().await;
    assert!(matches!(garbage, Err(ReadError::Frame(_))));
}
