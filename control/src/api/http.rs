//! HTTP/1 around the routes: connections, certificates, the token, bodies, JSON.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use hop::{ClusterTls, Role};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT, WWW_AUTHENTICATE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use process::{
    Drain, Places,
    net::{Listener, Stream},
};
use serde::Serialize;
use tokio::time::timeout;

use super::{Api, model::Problem, routes};
use crate::audit;
use crate::limits::{
    ADMIN_BODY_BYTES_MAX, ADMIN_CONNECTION_TIMEOUT, ADMIN_CONNECTIONS_MAX,
    ADMIN_CONNECTIONS_PER_ADDRESS_MAX, ADMIN_HEAD_BYTES_MAX, ADMIN_HEAD_TIMEOUT, RETRY_PAUSE,
};
use crate::metrics;

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
    let places = Places::new(ADMIN_CONNECTIONS_MAX, ADMIN_CONNECTIONS_PER_ADDRESS_MAX);
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
        let Some(place) = places.take(peer.ip()) else { continue };
        let (entrance, ended) = (Arc::clone(&entrance), drain.draining());
        drain.spawn("control admin connection", async move {
            let _place = place;
            tokio::select! {
                () = ended => {}
                _ = timeout(ADMIN_CONNECTION_TIMEOUT, entrance.converse(stream, peer)) => {}
            }
        });
    }
}

// === impl Entrance ===

impl Entrance {
    async fn converse(self: Arc<Self>, stream: Stream, peer: SocketAddr) {
        let (stream, name) = match &self.tls {
            Some(tls) => match secured(tls, stream).await {
                Ok((stream, name)) => (stream, format!("{name}, {peer}")),
                Err(error) => return tracing::warn!(%peer, error, "admin connection refused"),
            },
            None => (stream, peer.to_string()),
        };
        let by: Arc<str> = name.into();
        let service = service_fn(move |request| {
            let (this, by) = (Arc::clone(&self), Arc::clone(&by));
            async move { Ok::<_, Infallible>(this.answer(&by, request).await.into()) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(ADMIN_HEAD_TIMEOUT)
            .max_buf_size(ADMIN_HEAD_BYTES_MAX)
            // So that a connection's time is that of one request.
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        // Whatever went wrong is its client's to tell.
        let _ = connection.await;
    }

    /// Nothing is read, and nothing looked at, of somebody without the token.
    async fn answer(&self, by: &str, request: Request<Incoming>) -> Answer {
        if !is_allowed(request.headers(), &self.token) {
            metrics::admin_request("denied");
            let text = "the cluster's admin token is needed: Authorization: Bearer …";
            return Answer::problem(StatusCode::UNAUTHORIZED, text);
        }
        let (head, body) = request.into_parts();
        let body = match read(body).await {
            Ok(body) => body,
            Err(problem) => return problem,
        };
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let answer = routes::answer(&self.api, &head.method, path, query, &body).await;
        if head.method != Method::GET {
            let says = head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
            let line = format!("{} {path}", head.method);
            audit::over_http(by, says.unwrap_or_default(), &line, &body, answer.status.as_u16());
        }
        metrics::admin_request(if answer.status.is_success() { "done" } else { "refused" });
        answer
    }
}

/// The encrypted connection of an operator, and his name; or of control, whose file operators use on
/// its machine.
async fn secured(tls: &ClusterTls, stream: Stream) -> Result<(Stream, String), String> {
    let secured = tls.accept(stream).await.map_err(|refusal| refusal.to_string())?;
    match secured.peer.role() {
        Role::Operator | Role::Control => Ok((secured.stream, secured.peer.to_string())),
        _ => Err(format!("{} may not administer", secured.peer)),
    }
}

/// A request's whole body. Requests are small.
async fn read(body: Incoming) -> Result<Bytes, Answer> {
    let body = Limited::new(body, ADMIN_BODY_BYTES_MAX).collect();
    let (status, text) = match timeout(ADMIN_HEAD_TIMEOUT, body).await {
        Ok(Ok(body)) => return Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("a body has at most {ADMIN_BODY_BYTES_MAX} bytes");
            (StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        Ok(Err(_)) => (StatusCode::BAD_REQUEST, "the request's body is not readable".to_owned()),
        Err(_) => {
            (StatusCode::REQUEST_TIMEOUT, "the request's body did not come in time".to_owned())
        }
    };
    Err(Answer::problem(status, text))
}

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
