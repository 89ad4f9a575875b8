//! One request after the other of each connection: judged, forwarded or not, answered or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, DATE, ETAG, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::rule::{Fault, Rules};

type Answer = Response<Full<Bytes>>;

/// What every connection works with.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) upstream: SocketAddr,
    pub(super) rules: Arc<Mutex<Rules>>,
    /// For requests that are applied after their connection is gone.
    pub(super) handle: Handle,
}

/// Accepts until the runtime ends.
pub(super) async fn serve(listener: TcpListener, shared: Shared) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = shared.clone();
        let service = service_fn(move |request| {
            let shared = connection.clone();
            async move { shared.answer(request).await }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        // An error is a connection that was closed: by the client, or as a fault.
        shared.handle.spawn(async move { drop(serving.await) });
    }
}

impl Shared {
    /// An error closes the connection without an answer.
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let fault = self.rules.lock().judge(&parts.method, &parts.uri.to_string());
        match fault {
            None => self.forward(parts, body).await,
            Some(Fault::Delay(time)) => {
                sleep(time).await;
                self.forward(parts, body).await
            }
            Some(Fault::SlowDown) => Ok(error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
            Some(Fault::Conflict) => Ok(error(StatusCode::CONFLICT, "ConditionalRequestConflict")),
            Some(Fault::Missing) => Ok(error(StatusCode::NOT_FOUND, "NoSuchKey")),
            Some(Fault::Denied) => Ok(error(StatusCode::FORBIDDEN, "AccessDenied")),
            Some(Fault::Expired) => Ok(error(StatusCode::FORBIDDEN, "ExpiredToken")),
            Some(Fault::Refuse) => bail!("refused"),
            Some(Fault::LoseAnswer) => {
                self.forward(parts, body).await?;
                bail!("the answer is lost")
            }
            Some(Fault::ApplyLater(time)) => {
                let shared = self.clone();
                self.handle.spawn(async move { shared.apply_later(time, parts, body).await });
                bail!("applied later")
            }
            Some(Fault::Cut) => Ok(cut(self.forward(parts, body).await?).await),
            Some(Fault::Flip) => Ok(flip(self.forward(parts, body).await?).await),
            Some(Fault::Later(time)) => Ok(later(self.forward(parts, body).await?, time)),
            Some(Fault::TwoWinners) => Ok(won(self.forward(parts, body).await?)),
        }
    }

    async fn apply_later(self, time: Duration, parts: Parts, body: Bytes) {
        sleep(time).await;
        let what = parts.uri.to_string();
        match self.forward(parts, body).await {
            Ok(answer) => eprintln!("applied late: {what}: {}", answer.status()),
            Err(error) => eprintln!("not applied at all: {what}: {error:#}"),
        }
    }

    async fn forward(&self, parts: Parts, body: Bytes) -> Result<Answer> {
        let stream = TcpStream::connect(self.upstream).await.context("S3 server")?;
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        self.handle.spawn(async move { drop(connection.await) });
        let is_head = parts.method == Method::HEAD;
        let answer = sender.send_request(Request::from_parts(parts, Full::new(body))).await?;
        let (mut parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        // Framing is this connection's own matter; the length of a HEAD is not of its body.
        parts.headers.remove(HeaderName::from_static("transfer-encoding"));
        parts.headers.remove(HeaderName::from_static("connection"));
        if !is_head {
            parts.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        Ok(Response::from_parts(parts, Full::new(body)))
    }
}

async fn cut(answer: Answer) -> Answer {
    let (mut parts, body) = answer.into_parts();
    let body = whole(body).await;
    let half = body.slice(..body.len() / 2);
    parts.headers.insert(CONTENT_LENGTH, half.len().into());
    Response::from_parts(parts, Full::new(half))
}

async fn flip(answer: Answer) -> Answer {
    let (mut parts, body) = answer.into_parts();
    let mut body = whole(body).await.to_vec();
    let middle = body.len() / 2;
    if let Some(byte) = body.get_mut(middle) {
        *byte ^= 1;
    }
    // A client that compared digests would never see the flipped bit.
    parts.headers.remove(ETAG);
    Response::from_parts(parts, Full::new(body.into()))
}

/// The same answer from a server whose clock is ahead.
fn later(mut answer: Answer, time: Duration) -> Answer {
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    if let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) {
        let date = httpdate::fmt_http_date(date + time);
        let date = HeaderValue::from_str(&date).expect("a date is a header's value");
        answer.headers_mut().insert(DATE, date);
    }
    answer
}

/// Success, whatever the condition said.
fn won(answer: Answer) -> Answer {
    if answer.status() != StatusCode::PRECONDITION_FAILED {
        return answer;
    }
    let mut answer = Response::new(Full::new(Bytes::new()));
    answer.headers_mut().insert(ETAG, HeaderValue::from_static("\"won-as-well\""));
    answer
}

async fn whole(body: Full<Bytes>) -> Bytes {
    body.collect().await.map_or_else(|never| match never {}, |body| body.to_bytes())
}

fn error(status: StatusCode, code: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer
}
