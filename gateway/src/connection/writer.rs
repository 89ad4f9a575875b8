//! The writing half: polls every answer under way and writes them in the order of their requests.

use std::time::Duration;

use bytes::Buf;
use futures::future::FutureExt;
use futures::stream::{FuturesOrdered, StreamExt};
use process::net::WriteHalf;
use protocol::rope::Rope;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::pace::Pace;
use super::{Pending, Permits, Shared};
use crate::background::Background;
use crate::call::{Disconnect, Reply};
use crate::limits::RESPONSES_PER_WRITE;
use crate::quota::Mute;

/// Writes one connection.
pub(super) struct Writer {
    /// Away only while an answer is written in the background.
    socket: Option<WriteHalf>,
    timeout: Duration,
    background: Background,
    shared: Shared,
}

/// Answers that leave together, and what their requests hold until then.
#[derive(Default)]
struct Ready {
    frames: Rope,
    mute: Mute,
    background: bool,
    permits: Vec<Permits>,
    /// Ends the connection once the answers before it are written.
    failure: Option<Disconnect>,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(
        socket: WriteHalf,
        timeout: Duration,
        background: Background,
        shared: Shared,
    ) -> Self {
        Self { socket: Some(socket), timeout, background, shared }
    }

    /// Writes answers until the reader has ended and nothing is under way.
    pub(super) async fn run(
        mut self,
        mut pending: mpsc::Receiver<Pending>,
    ) -> Result<(), Disconnect> {
        let mut under_way = FuturesOrdered::new();
        let mut reading = true;
        loop {
            tokio::select! {
                biased;
                Some(done) = under_way.next() => {
                    let mut ready = Ready::default();
                    ready.add(done);
                    while ready.has_room()
                        && let Some(Some(done)) = under_way.next().now_or_never()
                    {
                        ready.add(done);
                    }
                    self.write(ready).await?;
                }
                next = pending.recv(), if reading => match next {
                    Some(Pending { answer, permits }) => {
                        under_way.push_back(answer.map(|answer| (answer, permits)));
                    }
                    None => reading = false,
                },
                else => return self.close().await,
            }
        }
    }

    /// Says that nothing more comes: over TLS an end without a word looks like an attack.
    async fn close(&mut self) -> Result<(), Disconnect> {
        let mut socket = self.socket.take().ok_or_else(closed)?;
        let ended = timeout(self.timeout, socket.shutdown()).await;
        Ok(ended.map_err(|_| Disconnect::SlowReader)??)
    }

    async fn write(&mut self, ready: Ready) -> Result<(), Disconnect> {
        let socket = self.socket.take().ok_or_else(closed)?;
        let writing = write_all(socket, ready.frames, self.timeout);
        let socket = if ready.background {
            let written = self.background.start("cold answer", || writing).await;
            written.map_err(|_| closed())??
        } else {
            writing.await?
        };
        self.socket = Some(socket);
        if !ready.mute.is_empty() {
            self.shared.mute.lock().merge(ready.mute);
        }
        ready.failure.map_or(Ok(()), Err)
    }
}

/// Writes all of `frames`; the socket comes back.
async fn write_all(
    mut socket: WriteHalf,
    mut frames: Rope,
    patience: Duration,
) -> Result<WriteHalf, Disconnect> {
    let (pace, mut moved) = (Pace::new(patience), 0);
    while frames.has_remaining() {
        // Nothing may move for so long, and in the long run something has to (R62).
        let deadline = pace.deadline(moved).min(Instant::now() + patience);
        let written = timeout_at(deadline, socket.write_buf(&mut frames)).await;
        match written.map_err(|_| Disconnect::SlowReader)?? {
            0 => return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
            bytes => moved += bytes,
        }
    }
    // Over TLS the last of it may wait, encrypted, for room in the socket.
    timeout(patience, socket.flush()).await.map_err(|_| Disconnect::SlowReader)??;
    Ok(socket)
}

/// The process ends while an answer is written.
fn closed() -> Disconnect {
    std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()
}

// === impl Ready ===

impl Ready {
    fn has_room(&self) -> bool {
        self.failure.is_none() && self.permits.len() < RESPONSES_PER_WRITE
    }

    fn add(&mut self, (answer, permits): (Result<Reply, Disconnect>, Permits)) {
        self.permits.push(permits);
        match answer {
            Ok(Reply { frame, mute, background, then }) => {
                self.failure = then;
                self.mute.merge(mute);
                self.background |= background;
                match frame {
                    Some(frame) if self.frames.has_remaining() => {
                        frame.chunks().for_each(|piece| self.frames.push(piece.clone()));
                    }
                    Some(frame) => self.frames = frame,
                    None => {}
                }
            }
            Err(error) => self.failure = Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use process::net::{Stream, joined};
    use tokio::io::{AsyncReadExt, duplex};
    use tokio::time::sleep;

    use super::*;

    /// Writes 256 KiB to a client that takes 1 KiB at a time with such pauses between.
    async fn write_to_a_reader(pause: Duration) -> Result<(), Disconnect> {
        let (ours, mut theirs) = duplex(1024);
        let (read, write) = tokio::io::split(ours);
        let stream: Stream = joined(Box::new(read), Box::new(write));
        let (_read, socket) = stream.into_inner();
        let mut frames = Rope::default();
        frames.push(Bytes::from(vec![0; 256 * 1024]));
        let reading = async {
            let mut taken = [0; 1024];
            while theirs.read_exact(&mut taken).await.is_ok() {
                sleep(pause).await;
            }
        };
        tokio::select! {
            written = write_all(socket, frames, Duration::from_secs(10)) => written.map(drop),
            () = reading => unreachable!("the socket is open"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_little_now_and_then_is_closed() {
        let written = write_to_a_reader(Duration::from_secs(1)).await;
        assert!(matches!(written, Err(Disconnect::SlowReader)), "{written:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_slow_but_not_that_slow_gets_all_of_it() {
        let written = write_to_a_reader(Duration::from_millis(50)).await;
        assert!(written.is_ok(), "{written:?}");
    }
}
