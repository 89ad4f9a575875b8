//! The clockwork of a connection, over a pipe and simulated time.

use std::time::Duration;

use process::{Drain, Net};
use protocol::{ids::TenantId, messages::HeartbeatRequest};
use tokio::{
    io::{DuplexStream, duplex},
    sync::{Semaphore, oneshot},
};

use super::*;
use crate::{
    ClusterSecret, HopHeader, Request, Role,
    api::Api,
    client::{Dialler, lane::Message},
    limits::FRAME_TIMEOUT,
};

/// A connection with one request in its queue; gives its lane, the other end and the answer.
fn connected() -> (Arc<Lane>, DuplexStream, oneshot::Receiver<Result<Response, HopError>>) {
    let secret = ClusterSecret::new(b"shared");
    let drain = Drain::new();
    let (net, role, credentials) = (Net::system(), Role::Gateway, secret.into());
    let dialler = Dialler { net, role, credentials, drain };
    let drain = dialler.drain.clone();
    let lane = Arc::new(Lane::new("nowhere:1".into(), dialler));

    let (queue, outgoings) = mpsc::channel(1);
    let (reply, answer) = oneshot::channel();
    let permit = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let request = Request::Heartbeat(HeartbeatRequest::default());
    let outgoing = Outgoing {
        api: Api::Heartbeat,
        message: Message::new(request, Some(Release::THIS), Release::THIS).unwrap(),
        header: HopHeader::internal(TenantId(1), Duration::MAX),
        queued_at: Instant::now(),
        reply,
        request_permit: permit(),
        byte_permit: permit(),
    };
    queue.try_send(outgoing).map_err(drop).unwrap();

    let (near, far) = duplex(64 * 1024);
    let shared = Arc::new(Shared::new(Arc::clone(&lane), Tenure::default(), None, Release::THIS));
    drain.spawn("hop connection", async move {
        let (read, write) = tokio::io::split(near);
        converse(shared, outgoings, read, write).await;
        drop(queue);
    });
    (lane, far, answer)
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up() {
    let (_lane, _far, answer) = connected();
    let started = Instant::now();
    assert_eq!(answer.await.unwrap(), Err(HopError::Lost));
    // Simulated time: exact.
    assert_eq!(started.elapsed(), SILENCE_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_may_take_its_time() {
    let (lane, far, answer) = connected();
    let (read, mut write) = tokio::io::split(far);
    let mut frames = FrameReader::new(read);
    let mut batch = FrameBatch::default();
    let mut request = None;
    let started = Instant::now();
    while started.elapsed() < FRAME_TIMEOUT * 10 {
        let frame = frames.next().await.unwrap().expect("the connection stays");
        match frame.head.kind {
            Kind::Ping => batch.frame(Head::bare(Kind::Pong, 0), &Default::default()),
            _ => request = Some(frame.head),
        }
        write_all(&mut write, batch.take()).await.unwrap();
    }
    let head = request.expect("the request was sent").answered(Kind::Failed);
    batch.frame(head, &Default::default());
    write_all(&mut write, batch.take()).await.unwrap();
    assert_eq!(answer.await.unwrap(), Err(HopError::Lost), "answered: it failed");
    assert_eq!(lane.failed(), 1, "the first one: it has been heard");
}

#[tokio::test]
async fn a_peer_that_never_said_anything_counts_as_not_connected() {
    let (lane, far, answer) = connected();
    drop(far);
    assert!(answer.await.unwrap().is_err());
    assert_eq!(lane.failed(), 2, "so calls pause before it is tried again");
}
