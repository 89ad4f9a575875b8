//! The state machine, with frames as clients send them and nothing behind it.

use std::time::Duration;

use bytes::{Buf, Bytes};
use metadata::settings::credential::ScramMechanism;
use proptest::prelude::{any, prop};
use protocol::messages::{
    ApiVersionsRequest, MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, SaslHandshakeResponse,
};
use protocol::request::ClientRequest;
use protocol::rope::RopeMut;
use protocol::{Decodable, ErrorCode};
use tokio::time::advance;
use tower::service_fn;

use super::*;
use crate::call::Client;
use crate::sasl::fixture::{Fixture, ScramClient};
use crate::sasl::{Mechanism, SaslConfig};

const SCRAM: ScramMechanism = ScramMechanism::Sha256;

/// What came through, and as whom.
type Passed = Arc<parking_lot::Mutex<Vec<(i16, Arc<Identity>)>>>;

/// A connection.
struct Connection<S> {
    service: Authentication<S>,
    passed: Passed,
    client: Arc<Client>,
}

fn connect(
    sasl: Option<&Arc<Sasl>>,
) -> Connection<
    impl Service<Identified, Response = Reply, Error = Disconnect, Future: Send + 'static> + use<>,
> {
    let passed = Passed::default();
    let seen = Arc::clone(&passed);
    let inner = service_fn(move |identified: Identified| {
        seen.lock().push((identified.inbound.header.api_key, identified.identity));
        async { Ok::<_, Disconnect>(Reply::default()) }
    });
    let client = Arc::new(Client::for_tests());
    let service = AuthenticationLayer::new(&client, sasl.cloned()).layer(inner);
    Connection { service, passed, client }
}

impl<S> Connection<S>
where
    S: Service<Identified, Response = Reply, Error = Disconnect>,
    S::Future: Send + 'static,
{
    async fn send(&mut self, header: RequestHeader, body: Bytes) -> Result<Reply, Disconnect> {
        let client = Arc::clone(&self.client);
        let answer = self.service.call(Inbound { header, body, client, received: Instant::now() });
        let answer = answer.await;
        if !matches!(&answer, Err(_) | Ok(Reply { then: Some(_), .. })) {
            self.service.settled().await;
        }
        answer
    }

    async fn ask(
        &mut self,
        version: i16,
        request: impl Into<ClientRequest>,
    ) -> Result<Reply, Disconnect> {
        let request = request.into();
        let mut body = RopeMut::new();
        request.encode_body(version, &mut body).unwrap();
        let header = RequestHeader {
            api_key: request.api() as i16,
            api_version: version,
            correlation_id: 1,
            client_id: None,
        };
        self.send(header, body.finish().into_bytes()).await
    }

    async fn handshake(&mut self, mechanism: &str) -> (SaslHandshakeResponse, bool) {
        let request = SaslHandshakeRequest::default()
            .with_mechanism(StrBytes::from_string(mechanism.to_owned()));
        let reply = self.ask(1, request).await.unwrap();
        let mut frame = body(&reply);
        (SaslHandshakeResponse::decode(&mut frame, 1).unwrap(), reply.then.is_some())
    }

    async fn authenticate(&mut self, version: i16, token: Vec<u8>) -> SaslAuthenticateResponse {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(token.into());
        let reply = self.ask(version, request).await.unwrap();
        let mut frame = body(&reply);
        if version >= 2 {
            assert_eq!(frame.get_u8(), 0, "no tags");
        }
        let response = SaslAuthenticateResponse::decode(&mut frame, version).unwrap();
        assert_eq!(reply.then.is_some(), response.error_code != 0, "closed after a failure");
        response
    }

    /// Says who it is, by SCRAM.
    async fn log_in(&mut self, user: &str, password: &str) -> SaslAuthenticateResponse {
        assert_eq!(self.handshake(SCRAM.name()).await.0.error_code, 0);
        let (client, first) = ScramClient::new(SCRAM, user, password);
        let challenge = self.authenticate(2, first).await;
        self.authenticate(2, client.answer(&challenge.auth_bytes).unwrap().message).await
    }

    async fn is_served(&mut self) -> Result<(), Disconnect> {
        self.ask(12, MetadataRequest::default()).await.map(drop)
    }

    fn last_principal(&self) -> String {
        self.passed.lock().last().unwrap().1.principal.to_string()
    }
}

/// A reply's frame without length and correlation id.
fn body(reply: &Reply) -> Bytes {
    reply.frame.clone().unwrap().into_bytes().slice(8..)
}

async fn alice(max_reauth: u64) -> Fixture {
    let max_reauth = Duration::from_secs(max_reauth);
    let mechanisms = vec![Mechanism::Scram(SCRAM), Mechanism::Plain];
    let config = SaslConfig { mechanisms, max_reauth, ..SaslConfig::default() };
    Fixture::new(config, &[("alice", "secret"), ("bob", "secret")]).await
}

#[tokio::test]
async fn everybody_on_a_listener_without_sasl_is_anonymous() {
    let mut connection = connect(None);
    assert!(connection.service.is_known());
    connection.is_served().await.unwrap();
    assert_eq!(connection.last_principal(), "User:ANONYMOUS");
    // It is the route's to say that there is nothing to authenticate.
    let handshake = SaslHandshakeRequest::default();
    connection.ask(1, handshake).await.unwrap();
    assert_eq!(connection.passed.lock().last().unwrap().0, ApiKey::SaslHandshake as i16);
}

#[tokio::test]
async fn whom_a_certificate_names_is_known_from_the_start() {
    let principal = StrBytes::from_static_str("User:CN=orders");
    let mut connection = connect(None);
    let client =
        Client { principal: Some(principal.clone()), tenant: TenantId(7), ..Client::for_tests() };
    let inner = connection.service.inner;
    connection.service = AuthenticationLayer::new(&client, None).layer(inner);
    connection.is_served().await.unwrap();
    let identity = Arc::clone(&connection.passed.lock()[0].1);
    assert_eq!(*identity, Identity { tenant: TenantId(7), principal });
}

#[tokio::test]
async fn a_stranger_may_ask_for_versions_once_and_nothing_else() {
    let fixture = alice(0).await;
    let versions = || ApiVersionsRequest::default();
    for request in
        [ClientRequest::from(MetadataRequest::default()), SaslAuthenticateRequest::default().into()]
    {
        let mut connection = connect(Some(&fixture.sasl));
        assert!(!connection.service.is_known());
        connection.ask(0, versions()).await.unwrap();
        let version = if request.api() == ApiKey::Metadata { 12 } else { 2 };
        let refused = connection.ask(version, request).await;
        assert!(matches!(refused, Err(Disconnect::Unauthenticated)));
        assert_eq!(connection.passed.lock().len(), 1);
    }
    let mut connection = connect(Some(&fixture.sasl));
    // A version that is not served is answered with those that are, and asked again.
    let header = RequestHeader { api_key: 18, api_version: 99, correlation_id: 1, client_id: None };
    connection.send(header, Bytes::new()).await.unwrap();
    connection.ask(0, versions()).await.unwrap();
    assert!(matches!(connection.ask(0, versions()).await, Err(Disconnect::Unauthenticated)));
}

#[tokio::test]
async fn who_knows_the_password_is_let_in() {
    let fixture = alice(0).await;
    let mut connection = connect(Some(&fixture.sasl));
    let done = connection.log_in("alice", "secret").await;
    assert_eq!((done.error_code, done.session_lifetime_ms), (0, 0));
    assert!(done.auth_bytes.starts_with(b"v="));
    assert!(connection.service.is_known());
    connection.is_served().await.unwrap();
    assert_eq!(connection.last_principal(), "User:alice");
    connection.ask(0, ApiVersionsRequest::default()).await.unwrap();
    // Nothing ends, so nothing can be begun again: the route refuses it.
    let handshake = SaslHandshakeRequest::default();
    connection.ask(1, handshake).await.unwrap();
    assert_eq!(connection.passed.lock().last().unwrap().0, ApiKey::SaslHandshake as i16);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_and_an_unknown_user_are_refused_alike_and_late() {
    let fixture = alice(0).await;
    let mut answers = Vec::new();
    for user in ["alice", "nobody"] {
        let mut connection = connect(Some(&fixture.sasl));
        let before = Instant::now();
        let refused = connection.log_in(user, "wrong").await;
        assert!(before.elapsed() >= fixture.sasl.config.failure_delay);
        assert_eq!(refused.error_code, ErrorCode::SaslAuthenticationFailed.code());
        answers.push(refused);
        assert!(!connection.service.is_known());
        assert!(connection.is_served().await.is_err());
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_mechanism_that_is_not_offered_is_answered_with_those_that_are() {
    let fixture = alice(0).await;
    for mechanism in ["SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI", "", "scram-sha-256"] {
        let mut connection = connect(Some(&fixture.sasl));
        let (response, is_closed) = connection.handshake(mechanism).await;
        assert_eq!(response.error_code, ErrorCode::UnsupportedSaslMechanism.code());
        let names: Vec<_> = response.mechanisms.iter().map(|name| name.to_string()).collect();
        assert_eq!(names, ["SCRAM-SHA-256", "PLAIN"]);
        assert!(is_closed);
    }
}

#[tokio::test]
async fn between_the_turns_nothing_else_passes() {
    let fixture = alice(0).await;
    for request in [
        ClientRequest::from(MetadataRequest::default()),
        ApiVersionsRequest::default().into(),
        SaslHandshakeRequest::default().into(),
    ] {
        let mut connection = connect(Some(&fixture.sasl));
        connection.handshake(SCRAM.name()).await;
        connection.authenticate(1, ScramClient::new(SCRAM, "alice", "secret").1).await;
        assert!(matches!(connection.ask(1, request).await, Err(Disconnect::Unauthenticated)));
        assert!(connection.passed.lock().is_empty());
    }
}

#[tokio::test]
async fn after_version_0_of_the_handshake_tokens_come_bare() {
    let fixture = alice(0).await;
    let mut connection = connect(Some(&fixture.sasl));
    let header = RequestHeader { api_key: 0, api_version: 0, correlation_id: 0, client_id: None };
    let begin = |mechanism| {
        SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism))
    };
    connection.ask(0, begin("SCRAM-SHA-256")).await.unwrap();
    assert!(connection.service.takes_bare_tokens());
    let (client, first) = ScramClient::new(SCRAM, "alice", "secret");
    let challenge = connection.send(header.clone(), first.into()).await.unwrap();
    let challenge = challenge.frame.unwrap().into_bytes();
    assert_eq!(
        challenge.len(),
        4 + i32::from_be_bytes(challenge[..4].try_into().unwrap()) as usize
    );
    let proof = client.answer(&challenge[4..]).unwrap().message;
    connection.send(header.clone(), proof.into()).await.unwrap();
    assert!(!connection.service.takes_bare_tokens());
    connection.is_served().await.unwrap();

    let mut connection = connect(Some(&fixture.sasl));
    connection.ask(0, begin("PLAIN")).await.unwrap();
    let done = connection.send(header.clone(), Bytes::from_static(b"\0bob\0secret")).await.unwrap();
    assert_eq!(done.frame.unwrap().into_bytes(), [0; 4].as_slice(), "an empty token");
    connection.is_served().await.unwrap();
    assert_eq!(connection.last_principal(), "User:bob");

    let mut connection = connect(Some(&fixture.sasl));
    connection.ask(0, begin("PLAIN")).await.unwrap();
    let refused = connection.send(header, Bytes::from_static(b"\0bob\0wrong")).await;
    assert!(matches!(refused, Err(Disconnect::AuthenticationFailed)), "there is no other way");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_unless_its_client_proves_again_who_it_is() {
    let fixture = alice(10).await;
    let mut connection = connect(Some(&fixture.sasl));
    assert_eq!(connection.log_in("alice", "secret").await.session_lifetime_ms, 10_000);
    advance(Duration::from_secs(9)).await;
    connection.is_served().await.unwrap();
    assert_eq!(connection.log_in("alice", "secret").await.session_lifetime_ms, 10_000);
    assert!(connection.service.is_known());
    advance(Duration::from_secs(9)).await;
    connection.is_served().await.unwrap();
    let end = connection.service.session_end();
    assert!(matches!(end.await, Disconnect::SessionExpired), "also of one that asks nothing");
    assert!(matches!(connection.is_served().await, Err(Disconnect::SessionExpired)));
}

#[tokio::test(start_paused = true)]
async fn proving_again_changes_neither_who_nor_how() {
    let fixture = alice(10).await;
    let mut connection = connect(Some(&fixture.sasl));
    connection.log_in("alice", "secret").await;
    let refused = connection.log_in("bob", "secret").await;
    assert_eq!(refused.error_code, ErrorCode::SaslAuthenticationFailed.code());
    assert!(connection.is_served().await.is_err());

    let mut connection = connect(Some(&fixture.sasl));
    connection.log_in("alice", "secret").await;
    let (response, is_closed) = connection.handshake("PLAIN").await;
    assert_eq!(response.error_code, ErrorCode::UnsupportedSaslMechanism.code());
    assert_eq!(response.mechanisms.len(), 1);
    assert!(is_closed);

    // While it is being proven again, nothing passes.
    let mut connection = connect(Some(&fixture.sasl));
    connection.log_in("alice", "secret").await;
    connection.handshake(SCRAM.name()).await;
    assert!(connection.service.is_known(), "so frames may be as long as before");
    assert!(connection.is_served().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nobody_proves_more_often_than_once_a_second() {
    let fixture = alice(10).await;
    let mut connection = connect(Some(&fixture.sasl));
    connection.log_in("alice", "secret").await;
    connection.log_in("alice", "secret").await;
    connection.ask(1, SaslHandshakeRequest::default()).await.unwrap();
    assert_eq!(connection.passed.lock().len(), 1, "left to the route, which refuses it");
    advance(Duration::from_secs(1)).await;
    assert_eq!(connection.log_in("alice", "secret").await.error_code, 0);
}

#[tokio::test]
async fn a_session_ends_with_its_credential() {
    let fixture = alice(0).await;
    let (mut of_alice, mut of_bob) = (connect(Some(&fixture.sasl)), connect(Some(&fixture.sasl)));
    of_alice.log_in("alice", "secret").await;
    of_bob.log_in("bob", "secret").await;
    let end = of_alice.service.session_end();
    fixture.put("alice", "another").await;
    assert!(matches!(end.await, Disconnect::Revoked));
    assert!(of_alice.is_served().await.is_err());
    of_bob.is_served().await.unwrap();
    fixture.delete("bob").await;
    assert!(matches!(of_bob.service.session_end().await, Disconnect::Revoked));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever a stranger sends, it is no more than a stranger, and nothing but ApiVersions
    /// passes.
    #[test]
    fn no_frames_let_a_stranger_in(
        frames in prop::collection::vec(
            (0..6_usize, -1..4_i16, prop::collection::vec(any::<u8>(), 0..40)),
            1..8,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let fixture = alice(10).await;
            let mut connection = connect(Some(&fixture.sasl));
            for (kind, version, bytes) in frames {
                let sent = match kind {
                    0 => connection.ask(1, SaslHandshakeRequest::default()
                        .with_mechanism(StrBytes::from_static_str("SCRAM-SHA-256"))).await,
                    1 => connection.ask(0, SaslHandshakeRequest::default()
                        .with_mechanism(StrBytes::from_static_str("PLAIN"))).await,
                    2 => connection.ask(2, SaslAuthenticateRequest::default()
                        .with_auth_bytes(bytes.into())).await,
                    3 => connection.ask(2, SaslAuthenticateRequest::default()
                        .with_auth_bytes(ScramClient::new(SCRAM, "alice", "?").1.into())).await,
                    kind => {
                        let api_key = if kind == 4 { 36 } else { 17 };
                        let header = RequestHeader {
                            api_key, api_version: version, correlation_id: 1, client_id: None,
                        };
                        connection.send(header, bytes.into()).await
                    }
                };
                assert!(!connection.service.is_known());
                if !matches!(sent, Ok(Reply { then: None, .. })) {
                    break;
                }
            }
            assert!(connection.passed.lock().is_empty());
        });
    }
}
