//! Peers that do not keep the protocol: their connection ends before anybody is told
//! something that was meant for another (R46).

use protocol::{ids::TenantId, release::Releases};

use super::{Caller, Connection, answer, stage};
use crate::{
    ClusterSecret, HopError,
    frame::{Head, Kind},
};

/// Has the peer answer a heartbeat in its own way, and expects the end of the connection.
async fn breaks<F>(what: &str, respond: F)
where
    F: AsyncFnOnce(&mut Connection, Head),
{
    let (caller, stage) = stage().await;
    let (answered, bystander) = (caller.heartbeat(1, 10), caller.heartbeat(2, 20));
    let mut connection = stage.connection().await;
    let (head, _) = connection.heartbeat().await;
    let _ = connection.heartbeat().await;
    respond(&mut connection, head).await;
    assert_eq!(answered.await, Err(HopError::Lost), "{what}");
    assert_eq!(bystander.await, Err(HopError::Lost), "{what}");
    assert!(connection.frame().await.is_none(), "{what}: the caller closes");

    // Only the connection is lost, not the peer.
    let again = caller.heartbeat(1, 30);
    let mut connection = stage.connection().await;
    let (head, _) = connection.heartbeat().await;
    connection.answer(head, 5).await;
    assert_eq!(again.await, Ok(answer(5)), "{what}");
}

#[tokio::test]
async fn an_answer_for_another_tenant_ends_the_connection() {
    breaks("tenant", async |connection, head| {
        connection.answer(Head { tenant: TenantId(2), ..head }, 0).await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_of_another_api_or_version_ends_the_connection() {
    breaks("api", async |connection, head| {
        connection.answer(Head { api_key: 13, ..head }, 0).await;
    })
    .await;
    breaks("version", async |connection, head| {
        connection.answer(Head { api_version: 3, ..head }, 0).await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_ends_the_connection() {
    breaks("correlation", async |connection, head| {
        connection.answer(Head { correlation: 77, ..head }, 0).await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_ends_the_connection() {
    breaks("body", async |connection, head| {
        connection.send(head.answered(Kind::Response), b"!").await;
    })
    .await;
}

#[tokio::test]
async fn a_frame_that_only_clients_send_ends_the_connection() {
    breaks("kind", async |connection, _| {
        connection.send(Head::bare(Kind::Ping, 0), b"").await;
    })
    .await;
}

#[tokio::test]
async fn garbage_ends_the_connection() {
    breaks("garbage", async |connection, _| {
        connection.send_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
}

#[tokio::test]
async fn a_peer_with_another_secret_is_not_talked_to() {
    let (_, stage) = stage().await;
    let address = stage.listener.local_addr().unwrap();
    let caller = Caller::of(address, ClusterSecret::new(b"another"));
    let answered = caller.heartbeat(1, 10);
    let (mut stream, _) = stage.listener.accept().await.unwrap();
    let refused = crate::handshake::accept(&mut stream, &stage.secret, None, Releases::OURS).await;
    assert!(refused.is_err());
    drop(stream);
    assert_eq!(answered.await, Err(HopError::Unreachable));
}
