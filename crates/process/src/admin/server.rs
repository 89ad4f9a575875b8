//! HTTP/1 on the admin listener: three GET paths, few connections, one answer for each, short patience.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{MetricsHandle, Readiness, page::Page};
use crate::{Drain, Places};

/// Probes and scrapers are few; more connections than this is somebody else's mistake.
const CONNECTIONS_MAX: usize = 64;

/// Of one address: while somebody takes all that he gets, probes and scrapers of others are answered.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 16;

/// A request head that takes longer is not a probe.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// A whole connection, its answer taken: as long as Prometheus waits by default.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a request's head. A probe's is some hundred.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// After `accept` fails (usually no file descriptors): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers admin requests until `drain`, then lets requests under way end.
///
/// Give it a drain that outlives the roles' (their parent): probes should see `/readyz`
/// turn to 503 while the roles drain, not a refused connection.
pub async fn serve(
    listener: TcpListener,
    metrics: MetricsHandle,
    readiness: Readiness,
    drain: Drain,
) {
    let site = Site { metrics: Page::new(metrics), readiness };
    let places = Places::new(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX);
    let draining = drain.draining();
    tokio::pin!(draining);
    loop {
        let accepted = tokio::select! {
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = places.take(peer.ip()) else { continue };
                let connection = connection(stream, site.clone(), drain.clone());
                drain.spawn("admin connection", async move {
                    if timeout(CONNECTION_TIMEOUT, connection).await.is_err() {
                        tracing::debug!(%peer, "admin connection took too long");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin listener cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, site: Site, drain: Drain) {
    let service = service_fn(move |request: Request<Incoming>| {
        let site = site.clone();
        async move {
            let response = site.answer(request.method(), request.uri().path()).await;
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        // So that a connection's time is that of one answer.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let draining = drain.draining();
    tokio::pin!(connection, draining);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = draining => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection ended");
    }
}

/// What the paths answer from.
#[derive(Clone)]
struct Site {
    metrics: Page,
    readiness: Readiness,
}

impl Site {
    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            refused
                .headers_mut()
                .insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match path {
            "/metrics" => match self.metrics.text().await {
                Some(metrics) => text(StatusCode::OK, metrics),
                None => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be told\n"),
            },
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            _ => text(StatusCode::NOT_FOUND, "try /metrics, /healthz or /readyz\n"),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let waiting_for = self.readiness.waiting_for();
        if waiting_for.is_empty() {
            text(StatusCode::OK, "ready\n")
        } else {
            let reason = format!("waiting for: {}\n", waiting_for.join(", "));
            text(StatusCode::SERVICE_UNAVAILABLE, reason)
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        // The version is what Prometheus asks of its text format; browsers ignore it.
        .header(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")
        .body(Full::new(body.into()))
        .expect("a static header and a status make a valid response")
}

#[cfg(test)]
mod tests;
