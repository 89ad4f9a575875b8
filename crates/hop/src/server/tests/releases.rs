//! Clients of the release before, and of this one.

use protocol::release::Releases;

use super::{Api, Head, Kind, Request, Response, Role, Server, TenantId};
use crate::internal::{FinishReleaseRequest, FinishReleaseResponse};

#[tokio::test]
async fn a_client_is_served_as_the_release_that_was_agreed_on() {
    let mut server = Server::start().await;
    let ask = Head::request(Api::FinishRelease, TenantId(1), 1);
    let request = Request::FinishRelease(FinishReleaseRequest { release: 2 });
    let body = request.encode(Api::FinishRelease.version()).unwrap().into_bytes();

    // This release knows the request, the one before has no such thing.
    let mut older = server.client_of(Role::Control, Releases::UNSAID).await;
    older.send(ask, body.clone()).await;
    older.expect_kind(ask, Kind::Refused).await;
    older.last = 1;
    let head = older.heartbeat(1, 10).await;
    older.expect_kind(head, Kind::Refused).await;

    let mut ours = server.client_of(Role::Control, Releases::OURS).await;
    ours.send(ask, body).await;
    let started = server.started().await;
    assert_eq!(started.request.body, request);
    let done = FinishReleaseResponse { release: 2, ..FinishReleaseResponse::default() };
    started.answer.send(Response::FinishRelease(done)).unwrap();
    ours.expect_kind(ask, Kind::Response).await;
}
