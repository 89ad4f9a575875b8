//! What every [`DnsProvider`] keeps, checked on each: a fake in memory, the webhook over it, and a
//! real BIND by RFC 2136.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use process::{Clock, net::Net};

use super::config::{Rfc2136Config, WebhookConfig};
use super::provider::{Content, DnsError, DnsProvider, Stamp, Swap};
use super::rfc2136::Rfc2136;
use super::webhook::Webhook;

/// The authority that is asked for nothing but what the trait promises.
#[derive(Default)]
pub(super) struct FakeZone {
    content: Mutex<Option<Content>>,
    /// The next calls fail with it.
    pub(super) away: Mutex<Option<DnsError>>,
    /// What somebody else makes of it, as soon as it was read once more.
    pub(super) meanwhile: Mutex<Option<Content>>,
}

impl FakeZone {
    pub(super) fn content(&self) -> Option<Content> {
        self.content.lock().clone()
    }

    pub(super) fn set(&self, content: Content) {
        *self.content.lock() = Some(content);
    }
}

#[async_trait]
impl DnsProvider for FakeZone {
    async fn read(&self) -> Result<Option<Stamp>, DnsError> {
        if let Some(error) = self.away.lock().clone() {
            return Err(error);
        }
        let read = self.content.lock().as_ref().map(|content| content.stamp.clone());
        if let Some(content) = self.meanwhile.lock().take() {
            self.set(content);
        }
        Ok(read)
    }

    async fn replace(&self, expected: Option<&Stamp>, next: &Content) -> Result<Swap, DnsError> {
        if let Some(error) = self.away.lock().clone() {
            return Err(error);
        }
        let mut content = self.content.lock();
        if content.as_ref().map(|content| &content.stamp) != expected {
            return Ok(Swap::Conflict);
        }
        *content = Some(next.clone());
        Ok(Swap::Done)
    }

    async fn rehearse(&self, _: &[String]) -> Result<(), DnsError> {
        self.away.lock().clone().map_or(Ok(()), Err)
    }
}

pub(super) fn content(generation: u64, set: &str, addresses: &[&str]) -> Content {
    let stamp = Stamp { generation, set: set.to_owned(), digest: "0badcafe".to_owned() };
    let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    let names = ["kafka.drill.test.", "b1.kafka.drill.test."];
    let names = names.map(|name| (name.to_owned(), addresses.clone()));
    Content { stamp, ttl: Duration::from_secs(5), names: BTreeMap::from(names) }
}

async fn conforms(provider: &dyn DnsProvider) {
    let first = content(1, "primary", &["192.0.2.1", "2001:db8::1"]);
    let second = content(2, "standby", &["192.0.2.2", "192.0.2.3"]);
    let other = content(2, "elsewhere", &["192.0.2.9"]);
    assert_eq!(provider.read().await, Ok(None));
    let names: Vec<String> = first.names.keys().cloned().collect();
    assert_eq!(provider.rehearse(&names).await, Ok(()));
    assert_eq!(provider.read().await, Ok(None), "a rehearsal changes nothing");
    let nothing = provider.replace(Some(&first.stamp), &second).await;
    assert_eq!(nothing, Ok(Swap::Conflict), "what does not exist is not replaced");
    assert_eq!(provider.replace(None, &first).await, Ok(Swap::Done));
    assert_eq!(provider.read().await, Ok(Some(first.stamp.clone())));
    let again = provider.replace(None, &second).await;
    assert_eq!(again, Ok(Swap::Conflict), "what exists is not begun again");
    assert_eq!(provider.read().await, Ok(Some(first.stamp.clone())));
    let (one, two) = tokio::join!(
        provider.replace(Some(&first.stamp), &second),
        provider.replace(Some(&first.stamp), &other),
    );
    let won = match (one, two) {
        (Ok(Swap::Done), Ok(Swap::Conflict)) => &second,
        (Ok(Swap::Conflict), Ok(Swap::Done)) => &other,
        both => panic!("one of two succeeds: {both:?}"),
    };
    assert_eq!(provider.read().await, Ok(Some(won.stamp.clone())));
    let third = content(3, "primary", &["192.0.2.1"]);
    assert_eq!(provider.replace(Some(&first.stamp), &third).await, Ok(Swap::Conflict));
    assert_eq!(provider.replace(Some(&won.stamp), &third).await, Ok(Swap::Done));
    assert_eq!(provider.rehearse(&names).await, Ok(()));
    assert_eq!(provider.read().await, Ok(Some(third.stamp)), "not later either");
}

#[tokio::test]
async fn the_fake() {
    conforms(&FakeZone::default()).await;
}

#[tokio::test]
async fn the_webhook_over_it() {
    let zone = Arc::new(FakeZone::default());
    let address = serve(Arc::clone(&zone));
    let dir = std::env::temp_dir().join(format!("thermocline-webhook-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let token_file = Some(dir.join("token"));
    fs::write(dir.join("token"), "sesame\n").unwrap();
    let url = format!("http://{address}/dns");
    let webhook = Webhook::new(&WebhookConfig { url: url.clone(), token_file }).unwrap();
    conforms(&webhook).await;
    assert_eq!(zone.content(), Some(content(3, "primary", &["192.0.2.1"])), "all of it arrives");
    let stranger = Webhook::new(&WebhookConfig { url, token_file: None }).unwrap();
    let refused = stranger.replace(None, &content(1, "a", &["192.0.2.1"])).await;
    assert!(matches!(refused, Err(DnsError::Refused(_))), "{refused:?}");
    fs::remove_dir_all(dir).unwrap();
}

/// A service as docs/operations.md asks for.
fn serve(zone: Arc<FakeZone>) -> SocketAddr {
    use http_body_util::{BodyExt, Full};
    use hyper::{Method, Request, Response, body::Incoming, service::service_fn};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let answer = move |request: Request<Incoming>| {
        let zone = Arc::clone(&zone);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let known = head.headers.get("authorization").is_some_and(|it| it == "Bearer sesame");
            let (status, body) = match (known, head.method == Method::POST) {
                (false, _) => (401, String::new()),
                (true, true) => (post(&zone, &body).await, String::new()),
                (true, false) => {
                    let stamp = zone.read().await.unwrap().map(|stamp| stamp.to_string());
                    (200, serde_json::json!({ "stamp": stamp }).to_string())
                }
            };
            let mut answer = Response::new(Full::<bytes::Bytes>::from(body));
            *answer.status_mut() = status.try_into().unwrap();
            Ok::<_, hyper::Error>(answer)
        }
    };
    drop(process::Drain::new().spawn("webhook", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = service_fn(answer.clone());
            drop(process::Drain::new().spawn("webhook connection", async move {
                let stream = hyper_util::rt::TokioIo::new(stream);
                drop(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(stream, answer)
                        .await,
                );
            }));
        }
    }));
    address
}

async fn post(zone: &FakeZone, body: &[u8]) -> u16 {
    let asked: serde_json::Value = serde_json::from_slice(body).unwrap();
    let stamp = |value: &serde_json::Value| value.as_str().map(|text| text.parse().unwrap());
    let expected: Option<Stamp> = stamp(&asked["expected"]);
    let next = Content {
        stamp: stamp(&asked["stamp"]).unwrap(),
        ttl: Duration::from_secs(asked["ttl_seconds"].as_u64().unwrap()),
        names: serde_json::from_value(asked["names"].clone()).unwrap(),
    };
    match zone.replace(expected.as_ref(), &next).await.unwrap() {
        Swap::Done => 204,
        Swap::Conflict => 409,
    }
}

/// BIND, on a free port of loopback; it ends with this.
struct Named(Child, SocketAddr);

impl Drop for Named {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

const KEY: &str = "c2VjcmV0IG9mIHRoZSB0ZXN0LCAzMiBieXRlcyBsb25nISE=";

fn named(dir: &Path) -> Named {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = address.port();
    let zone =
        "$TTL 5\n@ SOA ns.drill.test. root.drill.test. 1 60 60 600 5\n@ NS ns\nns A 127.0.0.1\n";
    fs::write(dir.join("drill.test.zone"), zone).unwrap();
    let (path, key) = (dir.display(), KEY);
    let config = format!(
        r#"options {{ directory "{path}"; pid-file "{path}/named.pid"; session-keyfile "{path}/session.key";
          listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;
          dnssec-validation no; managed-keys-directory "{path}"; }};
        controls {{ }};
        key "thermocline." {{ algorithm hmac-sha256; secret "{key}"; }};
        key "reader." {{ algorithm hmac-sha256; secret "{key}"; }};
        zone "drill.test" {{ type primary; file "{path}/drill.test.zone";
          update-policy {{
            grant "thermocline." name kafka.drill.test. A AAAA;
            grant "thermocline." name b1.kafka.drill.test. A AAAA;
            grant "thermocline." name _thermocline.kafka.drill.test. TXT; }}; }};
        "#
    );
    let file = dir.join("named.conf");
    fs::write(&file, config).unwrap();
    let log = fs::File::create(dir.join("named.log")).unwrap();
    let child = Command::new("named")
        .arg("-g")
        .arg("-c")
        .arg(&file)
        .stderr(log)
        .stdout(Stdio::null())
        .spawn();
    let child = child.expect("BIND's named is needed: tests/scripts/setup clients installs it");
    let named = Named(child, address);
    let began = tokio::time::Instant::now();
    // It accepts before it knows its zones.
    let log = || fs::read_to_string(dir.join("named.log")).unwrap_or_default();
    while !log().contains("all zones loaded") {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "named does not come up: {path}/named.log"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    named
}

fn rfc2136(dir: &Path, server: SocketAddr, key_name: &str, key: &str) -> Rfc2136 {
    let key_file = dir.join("tsig");
    fs::write(&key_file, key).unwrap();
    let config = Rfc2136Config {
        server,
        zone: "drill.test.".to_owned(),
        key_name: key_name.to_owned(),
        key_file,
    };
    Rfc2136::new(&config, "_thermocline.kafka.drill.test.", Net::system(), Clock::system()).unwrap()
}

#[tokio::test]
async fn bind_by_rfc_2136() {
    let dir = std::env::temp_dir().join(format!("thermocline-named-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let named = named(&dir);
    conforms(&rfc2136(&dir, named.1, "thermocline.", KEY)).await;
    // A resolver sees the addresses of the last swap, and none of those before.
    let seen = |kind: &str| {
        let server = [format!("@{}", named.1.ip()), "-p".to_owned(), named.1.port().to_string()];
        let dig =
            Command::new("dig").args(server).args(["+short", "b1.kafka.drill.test", kind]).output();
        String::from_utf8(dig.unwrap().stdout).unwrap()
    };
    assert_eq!((seen("A").trim(), seen("AAAA").trim()), ("192.0.2.1", ""));
    let next = content(4, "standby", &["192.0.2.2"]);
    let wrong = rfc2136(&dir, named.1, "thermocline.", "d3Jvbmc=");
    for refused in [wrong.replace(None, &next).await, wrong.read().await.map(|_| Swap::Done)] {
        assert!(matches!(refused, Err(DnsError::Refused(_))), "another secret: {refused:?}");
    }
    let reader = rfc2136(&dir, named.1, "reader.", KEY);
    let now = reader.read().await.unwrap();
    let refused = reader.replace(now.as_ref(), &next).await;
    assert!(matches!(refused, Err(DnsError::Refused(_))), "a key without the right: {refused:?}");
    let hosts = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let right = rfc2136(&dir, named.1, "thermocline.", KEY);
    let foreign_hosts = hosts(&["kafka.drill.test.", "b7.kafka.drill.test."]);
    for rehearsed in [
        reader.rehearse(&hosts(&["kafka.drill.test."])).await,
        right.rehearse(&foreign_hosts).await,
        right.rehearse(&hosts(&["elsewhere.test."])).await,
    ] {
        assert!(matches!(rehearsed, Err(DnsError::Refused(_))), "{rehearsed:?}");
    }
    let mut foreign = next.clone();
    foreign.names.insert("elsewhere.test.".to_owned(), Vec::new());
    let refused = reader.replace(now.as_ref(), &foreign).await;
    assert!(matches!(refused, Err(DnsError::Refused(_))), "another zone: {refused:?}");
    let server = named.1;
    drop(named);
    let away = rfc2136(&dir, server, "thermocline.", KEY).read().await;
    assert!(matches!(away, Err(DnsError::Unavailable(_))), "{away:?}");
    fs::remove_dir_all(dir).unwrap();
}
