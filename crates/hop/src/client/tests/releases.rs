//! Peers of the release before, and of this one, at one address.

use protocol::{ids::TenantId, release::Releases};

use super::{Answer, Caller, PATIENCE, answer, stage};
use crate::{Api, HopError, HopHeader, HopRequest, Request, internal::FinishReleaseRequest};

impl Caller {
    /// What only this release knows.
    fn finish_release(&self) -> Answer {
        let header = HopHeader::internal(TenantId(1), PATIENCE);
        let body = Request::FinishRelease(FinishReleaseRequest { release: 2 });
        self.peer.call_ordered(HopRequest { header, body })
    }
}

fn lacking() -> HopError {
    let text = "FinishRelease is not spoken with a peer of release 1";
    HopError::Protocol(text.to_owned())
}

#[tokio::test]
async fn a_peer_is_asked_what_its_release_knows() {
    let (caller, stage) = stage().await;
    // Written before anybody knew the peer, and after.
    let (early, heartbeat) = (caller.finish_release(), caller.heartbeat(1, 10));
    let mut connection = stage.connection_of(Releases::UNSAID).await;
    assert_eq!(early.await, Err(lacking()));
    let (head, _) = connection.heartbeat().await;
    connection.answer(head, 0).await;
    assert_eq!(heartbeat.await, Ok(answer(0)));
    assert_eq!(caller.finish_release().await, Err(lacking()));

    // Another process has the address now: nothing is remembered of the one before.
    let lost = caller.heartbeat(1, 20);
    let _ = connection.heartbeat().await;
    drop(connection);
    assert_eq!(lost.await, Err(HopError::Lost));
    let _asked = caller.finish_release();
    let mut connection = stage.connection_of(Releases::OURS).await;
    let frame = connection.frame().await.expect("the request");
    assert_eq!(frame.head.api_key, Api::FinishRelease.key());
}

#[tokio::test]
async fn a_peer_two_releases_apart_gets_nothing_and_nobody_waits_for_it() {
    let (caller, stage) = stage().await;
    let release = |number| protocol::release::Release::new(number).unwrap();
    let later = Releases::new(release(3), release(4)).unwrap();
    let call = caller.heartbeat(1, 10);
    let (mut stream, _) = stage.listener.accept().await.unwrap();
    let refused = crate::handshake::accept(&mut stream, &stage.secret, None, later).await;
    assert!(refused.is_err());
    assert_eq!(call.await, Err(HopError::Unreachable));
}
