//! SASL over sockets: what clients hear, what ends their connections, and what becomes of users that
//! are changed meanwhile.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway::{ListenerConfig, Mechanism, Security};
use metadata::settings::credential::ScramMechanism;
use protocol::ErrorCode;
use protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use protocol::messages::describe_user_scram_credentials_request::UserName;
use protocol::messages::{
    AlterUserScramCredentialsRequest, ApiVersionsRequest, DescribeUserScramCredentialsRequest,
    MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};

use crate::support::{Authority, Client, Cluster, Gateway, TlsClient, eventually, text};

const SCRAM: ScramMechanism = ScramMechanism::Sha512;

/// A gateway with a listener that asks nothing, and one that asks for SCRAM.
async fn gateway(cluster: &Cluster, max_reauth: Duration) -> Gateway {
    cluster.gateway_with(1, |config| config.listeners.push(asking(max_reauth))).await
}

fn asking(max_reauth: Duration) -> ListenerConfig {
    let mut asking = ListenerConfig {
        bind: "127.0.0.1:0".to_owned(),
        security: Security::SaslPlaintext,
        ..ListenerConfig::default()
    };
    asking.sasl.max_reauth = max_reauth;
    asking
}

async fn connect(gateway: &Gateway) -> Client {
    Client::connect(gateway.addresses[1]).await
}

/// Makes a user, or gives it another password, as Kafka's tools do.
async fn set(gateway: &Gateway, user: &str, password: &str) {
    let salted = SCRAM.salted_password(password.as_bytes(), b"salt", 4_096);
    let upsertion = ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(SCRAM.number())
        .with_iterations(4_096)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(Bytes::copy_from_slice(&salted));
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
    let response = gateway.client().await.call(0, request).await;
    assert_eq!(response.results[0].error_code, 0);
}

async fn authenticate(client: &mut Client, token: Vec<u8>) -> SaslAuthenticateResponse {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(token.into());
    client.call(2, request).await
}

/// Says who it is, as clients do: versions first.
async fn log_in(client: &mut Client, user: &str, password: &str) -> SaslAuthenticateResponse {
    assert_eq!(client.call(0, ApiVersionsRequest::default()).await.error_code, 0);
    prove(client, user, password).await
}

async fn prove(client: &mut Client, user: &str, password: &str) -> SaslAuthenticateResponse {
    let handshake = SaslHandshakeRequest::default().with_mechanism(text(SCRAM.name()));
    assert_eq!(client.call(1, handshake).await.error_code, 0);
    let bare = format!("n={user},r=clientnonce");
    let challenge = authenticate(client, format!("n,,{bare}").into_bytes()).await;
    let server_first = String::from_utf8(challenge.auth_bytes.to_vec()).unwrap();
    authenticate(client, proof(&bare, &server_first, password)).await
}

fn proof(bare: &str, server_first: &str, password: &str) -> Vec<u8> {
    let mut values = server_first.split(',').map(|attribute| &attribute[2..]);
    let (nonce, salt) = (values.next().unwrap(), STANDARD.decode(values.next().unwrap()).unwrap());
    let iterations = values.next().unwrap().parse().unwrap();
    let salted = SCRAM.salted_password(password.as_bytes(), &salt, iterations);
    let client_key = SCRAM.hmac(&salted, b"Client Key");
    let stored_key = SCRAM.digest(client_key.as_ref());
    let without_proof = format!("c=biws,r={nonce}");
    let messages = format!("{bare},{server_first},{without_proof}");
    let signature = SCRAM.hmac(stored_key.as_ref(), messages.as_bytes());
    let pairs = client_key.as_ref().iter().zip(signature.as_ref());
    let proof: Vec<u8> = pairs.map(|(key, signed)| key ^ signed).collect();
    format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes()
}

async fn is_served(client: &mut Client) {
    let response = client.call(12, MetadataRequest::default().with_topics(None)).await;
    assert_eq!(response.error_code, 0);
}

#[tokio::test]
async fn a_user_that_was_just_made_logs_in_and_is_served() {
    let cluster = Cluster::start().await;
    let gateway = gateway(&cluster, Duration::ZERO).await;
    set(&gateway, "alice", "secret").await;
    let mut client = connect(&gateway).await;
    let done = log_in(&mut client, "alice", "secret").await;
    assert_eq!((done.error_code, done.session_lifetime_ms), (0, 0));
    is_served(&mut client).await;
    // There is nothing to prove again.
    let again = client.call(1, SaslHandshakeRequest::default()).await;
    assert_eq!(again.error_code, ErrorCode::IllegalSaslState.code());
    let again = authenticate(&mut client, Vec::new()).await;
    assert_eq!(again.error_code, ErrorCode::IllegalSaslState.code());
    is_served(&mut client).await;
}

#[tokio::test]
async fn who_is_not_who_it_says_is_told_so_and_closed() {
    let cluster = Cluster::start().await;
    let gateway = gateway(&cluster, Duration::ZERO).await;
    set(&gateway, "alice", "secret").await;
    for user in ["alice", "nobody"] {
        let mut client = connect(&gateway).await;
        let refused = log_in(&mut client, user, "wrong").await;
        assert_eq!(refused.error_code, ErrorCode::SaslAuthenticationFailed.code());
        client.closed().await;
    }
    let mut client = connect(&gateway).await;
    let plain = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
    let refused = client.call(1, plain).await;
    assert_eq!(refused.error_code, ErrorCode::UnsupportedSaslMechanism.code());
    assert_eq!(refused.mechanisms, [text("SCRAM-SHA-256"), text("SCRAM-SHA-512")]);
    client.closed().await;
    let mut client = connect(&gateway).await;
    client.send(12, &MetadataRequest::default()).await;
    client.closed().await;
}

#[tokio::test]
async fn who_is_let_in_and_who_is_not_is_in_the_audit_log() {
    let file = std::env::temp_dir().join(format!("audit-{}", uuid::Uuid::new_v4()));
    let cluster = Cluster::start().await;
    let gateway = cluster
        .gateway_with(1, |config| {
            config.listeners.push(asking(Duration::ZERO));
            config.audit.file = Some(file.clone());
        })
        .await;
    set(&gateway, "alice", "right").await;
    log_in(&mut connect(&gateway).await, "alice", "right").await;
    log_in(&mut connect(&gateway).await, "alice", "wrong").await;
    let told = || std::fs::read_to_string(&file).unwrap_or_default();
    eventually("both are told", || told().contains("authentication_failed")).await;
    let told = told();
    let line = |event: &str| {
        let line = told.lines().find(|line| line.contains(event)).unwrap();
        serde_json::from_str::<serde_json::Value>(line).unwrap()
    };
    let (let_in, refused) = (line("\"authenticated\""), line("authentication_failed"));
    assert_eq!((&let_in["principal"], &let_in["tenant"]), (&"User:alice".into(), &1.into()));
    assert_eq!(let_in["operation"], SCRAM.name());
    assert!(refused["principal"].is_null(), "what a stranger says is not told: {refused}");
    assert_eq!(refused["client"], "127.0.0.1");
    assert!(!told.contains("right") && !told.contains("wrong"), "no passwords: {told}");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_connection_ends_with_its_user() {
    let cluster = Cluster::start().await;
    let gateway = gateway(&cluster, Duration::ZERO).await;
    set(&gateway, "alice", "secret").await;
    set(&gateway, "bob", "secret").await;
    let (mut alice, mut bob) = (connect(&gateway).await, connect(&gateway).await);
    log_in(&mut alice, "alice", "secret").await;
    log_in(&mut bob, "bob", "secret").await;

    set(&gateway, "alice", "another").await;
    alice.closed().await;
    let mut alice = connect(&gateway).await;
    assert_ne!(log_in(&mut alice, "alice", "secret").await.error_code, 0);
    let mut alice = connect(&gateway).await;
    assert_eq!(log_in(&mut alice, "alice", "another").await.error_code, 0);

    is_served(&mut bob).await;
    let deletion =
        ScramCredentialDeletion::default().with_name(text("bob")).with_mechanism(SCRAM.number());
    let request = AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion]);
    gateway.client().await.call(0, request).await;
    bob.closed().await;
    is_served(&mut alice).await;
}

#[tokio::test]
async fn a_session_ends_unless_it_is_proven_again() {
    let cluster = Cluster::start().await;
    let gateway = gateway(&cluster, Duration::from_secs(2)).await;
    set(&gateway, "alice", "secret").await;
    let mut client = connect(&gateway).await;
    assert_eq!(log_in(&mut client, "alice", "secret").await.session_lifetime_ms, 2_000);
    is_served(&mut client).await;
    assert_eq!(prove(&mut client, "alice", "secret").await.session_lifetime_ms, 2_000);
    is_served(&mut client).await;
    client.closed().await;
}

#[tokio::test]
async fn users_are_described_without_their_secrets() {
    let cluster = Cluster::start().await;
    let gateway = gateway(&cluster, Duration::ZERO).await;
    set(&gateway, "alice", "secret").await;
    set(&gateway, "bob", "secret").await;
    let mut client = gateway.client().await;
    let all = client.call(0, DescribeUserScramCredentialsRequest::default()).await;
    let described = all.results.iter().map(|user| {
        let info = &user.credential_infos[0];
        (user.user.to_string(), info.mechanism, info.iterations)
    });
    let expected = ["alice", "bob"].map(|user| (user.to_owned(), SCRAM.number(), 4_096));
    assert_eq!(described.collect::<Vec<_>>(), expected);
    let nobody = UserName::default().with_name(text("nobody"));
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(vec![nobody]));
    let one = client.call(0, request).await;
    assert_eq!(one.results[0].error_code, ErrorCode::ResourceNotFound.code());
}

#[tokio::test]
async fn plain_without_encryption_is_refused_at_the_start() {
    let mut config = gateway::Config::new(1);
    config.listeners[0].security = Security::SaslPlaintext;
    config.listeners[0].sasl.mechanisms = vec![Mechanism::Plain];
    let refused = config.check().map_err(|error| error.key);
    assert_eq!(refused, Err("listeners.sasl.mechanisms"));
}

#[tokio::test]
async fn a_password_itself_is_taken_inside_of_tls() {
    let (cluster, authority) = (Cluster::start().await, Authority::new("ca"));
    let dir = tempfile::tempdir().unwrap();
    let mut listener = authority.listener(dir.path());
    listener.security = Security::SaslTls;
    listener.sasl.mechanisms = vec![Mechanism::Plain, Mechanism::Scram(SCRAM)];
    let gateway = cluster.gateway_with(1, |config| config.listeners.push(listener)).await;
    set(&gateway, "alice", "secret").await;
    let tls = TlsClient::new(&authority, None);
    for (password, code) in
        [("secret", ErrorCode::None), ("wrong", ErrorCode::SaslAuthenticationFailed)]
    {
        let mut client = Client::over(tls.connect(gateway.addresses[1]).await.unwrap());
        let handshake = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
        assert_eq!(client.call(1, handshake).await.error_code, 0);
        let told = authenticate(&mut client, format!("\0alice\0{password}").into_bytes()).await;
        assert_eq!(told.error_code, code.code());
        if code == ErrorCode::None {
            is_served(&mut client).await;
        } else {
            client.closed().await;
        }
    }
    let mut client = Client::over(tls.connect(gateway.addresses[1]).await.unwrap());
    assert_eq!(log_in(&mut client, "alice", "secret").await.error_code, 0);
    is_served(&mut client).await;
}

/// What a stranger sends is bounded: a frame that a known client may send is too long for it.
#[tokio::test]
async fn a_stranger_s_frames_are_short() {
    let cluster = Cluster::start().await;
    let gateway = gateway(&cluster, Duration::ZERO).await;
    let mut client = connect(&gateway).await;
    client.send_bytes(&(70 * 1024_i32).to_be_bytes()).await;
    client.closed().await;
}
