//! What a server must survive: each costs its own connection, or less.

use protocol::release::Releases;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Api, Bytes, Client, ClusterSecret, Head, Kind, Role, Server, TcpStream, TenantId};
use crate::handshake;

/// Another connection of the same server, which must not notice.
struct Witness(Client);

impl Witness {
    async fn of(server: &Server) -> Self {
        Self(server.client().await)
    }

    async fn served(mut self, server: &mut Server) {
        let head = self.0.heartbeat(9, 99).await;
        let started = server.started().await;
        assert_eq!(started.generation(), 99, "nothing else reached the handler");
        started.answer(0);
        self.0.expect(head, 0).await;
    }
}

/// Has a member misbehave, and expects the end of its connection and of nothing else.
async fn ends_its_own<F>(what: &str, misbehave: F)
where
    F: AsyncFnOnce(&mut Client),
{
    let mut server = Server::start().await;
    let witness = Witness::of(&server).await;
    let mut client = server.client().await;
    misbehave(&mut client).await;
    assert!(client.frame().await.is_none(), "{what}: closed");
    witness.served(&mut server).await;
}

#[tokio::test]
async fn garbage_ends_its_own_connection() {
    ends_its_own("garbage", async |client| {
        client.stream.write_all(&[0xff; 100]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_ends_its_own_connection() {
    // Claims more array elements than memory could hold.
    let claims = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    for api in [Api::DeleteGroups, Api::Heartbeat, Api::Plan] {
        ends_its_own(api.name(), async |client| {
            client.send(Head::request(api, TenantId(1), 1), claims.clone()).await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_out_of_count_ends_its_own_connection() {
    for correlation in [0, 2, u64::MAX] {
        ends_its_own("correlation", async |client| {
            let head = Head::request(Api::Heartbeat, TenantId(1), correlation);
            client.send(head, super::heartbeat(10)).await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_frame_that_only_servers_send_ends_its_own_connection() {
    ends_its_own("kind", async |client| {
        client.send_bare(Head::bare(Kind::GoAway, 1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_request_without_caller_block_ends_its_own_connection() {
    ends_its_own("caller", async |client| {
        client.send_bare(Head::request(Api::Heartbeat, TenantId(1), 1)).await;
    })
    .await;
}

#[tokio::test]
async fn an_api_that_is_not_served_is_refused_and_the_connection_lives() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let unknown = Head { api_key: 10_999, ..Head::request(Api::Plan, TenantId(1), 1) };
    client.last = 1;
    client.send(unknown, Bytes::new()).await;
    client.expect_kind(unknown, Kind::Refused).await;

    let next = client.heartbeat(1, 10).await;
    server.started().await.answer(0);
    client.expect(next, 0).await;
}

#[tokio::test]
async fn without_the_secret_nothing_served() {
    let mut server = Server::start().await;
    let witness = Witness::of(&server).await;

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let other = ClusterSecret::new(b"another");
    assert!(handshake::connect(&mut stream, &other, Role::Gateway, Releases::OURS).await.is_err());

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[b'?'; 1000]).await.unwrap();
    let mut heard = Vec::new();
    // The nonce, then the end or a reset.
    let _ = stream.read_to_end(&mut heard).await;
    assert!(heard.len() <= 40, "{} bytes for a stranger", heard.len());

    witness.served(&mut server).await;
}
