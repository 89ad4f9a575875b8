//! HTTP/1 around the routes: connections, certificates, the token, bodies, JSON.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use hop::{ClusterTls, Role};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use process::{
    Drain,
    net::{Listener, Stream},
};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{Api, model::Problem, routes};
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_CONNECTIONS_MAX, ADMIN_HEAD_TIMEOUT, RETRY_PAUSE};

/// An answer: a status and JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

/// Who gets in, and to what.
pub(super) struct Entrance {
    pub(super) api: Arc<Api>,
    pub(super) token: String,
    pub(super) tls: Option<ClusterTls>,
}

/// Serves until the drain begins.
pub(super) async fn serve(listener: Listener, entrance: Arc<Entrance>, drain: Drain) {
    let slots = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    let draining = drain.draining();
    tokio::pin!(draining);
    loop {
        let accepted = tokio::select! {
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (entrance, ended) = (Arc::clone(&entrance), drain.draining());
        drain.spawn("control admin connection", async move {
            let _slot = slot;
            tokio::select! {
                () = ended => {}
                () = entrance.converse(stream, peer) => {}
            }
        });
    }
}

// === impl Entrance ===

impl Entrance {
    async fn converse(self: Arc<Self>, stream: Stream, peer: SocketAddr) {
        let stream = match &self.tls {
            Some(tls) => match secured(tls, stream).await {
                Ok(stream) => stream,
                Err(error) => return tracing::warn!(%peer, error, "admin connection refused"),
            },
            None => stream,
        };
        let service = service_fn(move |request| {
            let this = Arc::clone(&self);
            async move { Ok::<_, Infallible>(answer(&this.api, &this.token, request).await.into()) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(ADMIN_HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        // Whatever went wrong is its client's to tell.
        let _ = connection.await;
    }
}

/// The encrypted connection of an operator; or of control, whose file operators use on its machine.
async fn secured(tls: &ClusterTls, stream: Stream) -> Result<Stream, String> {
    let secured = tls.accept(stream).await.map_err(|refusal| refusal.to_string())?;
    match secured.peer.role() {
        Role::Operator | Role::Control => Ok(secured.stream),
        _ => Err(format!("{} may not administer", secured.peer)),
    }
}

async fn answer(api: &Api, token: &str, request: Request<Incoming>) -> Answer {
    if !is_allowed(request.headers(), token) {
        let text = "the cluster's admin token is needed: Authorization: Bearer …";
        return Answer::problem(StatusCode::UNAUTHORIZED, text);
    }
    let (head, body) = request.into_parts();
    let body = Limited::new(body, ADMIN_BODY_BYTES_MAX).collect();
    let body: Bytes = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) | Err(_) => {
            return Answer::problem(StatusCode::BAD_REQUEST, "the request's body is not readable");
        }
    };
    let query = head.uri.query().unwrap_or_default();
    routes::answer(api, &head.method, head.uri.path(), query, &body).await
}

/// Requests are small.
const BODY_TIMEOUT: Duration = ADMIN_HEAD_TIMEOUT;

fn is_allowed(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    given.is_some_and(|given| {
        verify_slices_are_equal(given.trim().as_bytes(), token.as_bytes()).is_ok()
    })
}

// === impl Answer ===

impl Answer {
    pub(super) fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub(super) fn problem(status: StatusCode, error: impl Into<String>) -> Self {
        Self::json(status, &Problem { error: error.into(), leader: None })
    }

    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("the model has string keys only");
        Self { status, body }
    }
}

impl From<Answer> for Response<Full<Bytes>> {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(Full::new(answer.body.into()));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if answer.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
