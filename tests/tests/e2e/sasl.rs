//! Real clients log in by each mechanism, are told why they are not let in, and lose their connection
//! with their user. Afterwards the secrets of all of it are looked for in everything that was written.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::credential::{ScramCredential, ScramMechanism};
use process::{Clock, Drain};
use protocol::ids::TenantId;
use serde_json::json;
use thermocline_tests::clients::{Client, python, run_python};
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};
use thermocline_tests::process::{free_address, metric};
use thermocline_tests::thermocline_binary;
use thermocline_tests::wait::eventually;

const TOPIC: &str = "sasl";
const ALICE: &str = "alices-password-e1d4";
const BOB: &str = "bobs-password-77ac";
const WRONG: &str = "wrong-password-50b2";

/// Somebody whose tokens are believed.
struct Issuer(EncodingKey);

impl Issuer {
    fn new(jwks: &Path) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("its bytes").as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("its public half");
        jwk.common.key_id = Some("k1".to_owned());
        fs::write(jwks, json!({ "keys": [jwk] }).to_string()).expect("keys are written");
        Self(key)
    }

    /// A token that expires so many seconds from now.
    fn token(&self, expires_s: i64) -> String {
        let now = Clock::system().now_ms() / 1_000;
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) };
        let claims = json!({
            "iss": "https://issuer.example", "aud": "kafka", "sub": "carol",
            "iat": now, "exp": now + expires_s,
        });
        encode(&header, &claims, &self.0).expect("a token")
    }
}

fn spec(listener: SocketAddr, jwks: &Path) -> Spec {
    let gateway_tables = format!(
        "[[gateway.listeners]]\nbind = \"{listener}\"\nsecurity = \"sasl_plaintext\"\n\
         [gateway.listeners.sasl]\nmax_reauth = \"3s\"\n\
         mechanisms = [\"SCRAM-SHA-256\", \"SCRAM-SHA-512\", \"OAUTHBEARER\"]\n\
         [gateway.listeners.sasl.oauth]\njwks = \"{}\"\nissuer = \"https://issuer.example\"\n\
         audience = [\"kafka\"]\n[log]\nfilter = \"trace\"\n",
        jwks.display()
    );
    let control_lines = "[log]\nfilter = \"trace\"\n".to_owned();
    let store = StoreKind::Directory;
    Spec {
        nodes: 1,
        gateways: 1,
        readers: 0,
        store,
        gateway_tables,
        control_lines,
        ..Spec::default()
    }
}

/// Runs `thermocline user`; what it prints, or its error.
fn user(arguments: &[&str], config: &Path, password: Option<&Path>) -> Result<String, String> {
    let mut command = Command::new(thermocline_binary());
    command.arg("user").args(arguments).arg("--config").arg(config);
    if let Some(file) = password {
        command.arg("--password-file").arg(file);
    }
    let output = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn clients_log_in_and_their_secrets_are_nowhere() {
    let (dir, outside) =
        (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let jwks = outside.path().join("jwks.json");
    let issuer = Issuer::new(&jwks);
    let listener = free_address().expect("a free port");
    let cluster = Cluster::start(dir.path(), &spec(listener, &jwks)).expect("cluster starts");
    let (plaintext, sasl) = (cluster.bootstrap(), listener.to_string());
    Client::Python.create_topic(&plaintext, TOPIC, 1).expect("topic is created");

    let config = dir.path().join("gateway-1.toml");
    let password = outside.path().join("password");
    fs::write(&password, format!("{ALICE}\n")).expect("password is written");
    let both = ["add", "alice", "--mechanism", "SCRAM-SHA-256", "--mechanism", "SCRAM-SHA-512"];
    user(&both, &config, Some(&password)).expect("the first user needs no other");
    user(&both, &config, Some(&password)).expect_err("there is one of that name");
    let set =
        Client::Java.run(&["set_user", &plaintext, "bob", BOB], None).expect("as Kafka's tools");
    assert!(set.contains("iterations=4096"), "{set}");
    let listed = user(&["list"], &config, None).expect("users are listed");
    assert_eq!(listed, "alice (SCRAM-SHA-256, SCRAM-SHA-512)\nbob (SCRAM-SHA-256)");

    let (good, expired) = (issuer.token(600), issuer.token(-600));
    for client in ["librdkafka", "aiokafka"] {
        for (mechanism, name, secret, outcome) in [
            ("SCRAM-SHA-256", "alice", ALICE, "ok"),
            ("SCRAM-SHA-512", "alice", ALICE, "ok"),
            ("SCRAM-SHA-256", "bob", BOB, "ok"),
            ("SCRAM-SHA-512", "bob", BOB, "refused"),
            ("SCRAM-SHA-512", "alice", WRONG, "refused"),
            ("SCRAM-SHA-512", "nobody", ALICE, "refused"),
            ("PLAIN", "alice", ALICE, "refused"),
            ("OAUTHBEARER", "-", good.as_str(), "ok"),
            ("OAUTHBEARER", "-", expired.as_str(), "refused"),
        ] {
            let told = run_python("sasl.py", &[client, &sasl, mechanism, name, secret, TOPIC]);
            assert_eq!(told.expect("a reason"), outcome, "{client}, {mechanism}, {name}");
        }
    }
    of_java(&cluster, &sasl);
    of_a_deleted_user(&sasl, &config, outside.path());
    let secrets = secrets(&cluster, &[&good, &expired]);
    drop(cluster);
    assert_nowhere(dir.path(), &secrets);
}

/// Java is told why, and is served over the end of its session, for it proves itself again.
fn of_java(cluster: &Cluster, sasl: &str) {
    let login = |mechanism, password, seconds| {
        let login = ["login", sasl, mechanism, "alice", password, seconds];
        Client::Java.run(&login, None).expect("a reason")
    };
    assert_eq!(login("SCRAM-SHA-512", WRONG, "0"), "SaslAuthenticationException");
    assert_eq!(login("PLAIN", ALICE, "0"), "UnsupportedSaslMechanismException");
    let http = cluster.gateways[0].http();
    let known =
        || metric(http, "gateway_authentications_total", "success").expect("some were let in");
    let known_before = known();
    assert_eq!(login("SCRAM-SHA-512", ALICE, "8"), "ok");
    assert!(known() >= known_before + 3.0, "it proved more than once who it is");
}

fn of_a_deleted_user(sasl: &str, config: &Path, outside: &Path) {
    let ready = outside.join("ready");
    let ready_text = ready.to_string_lossy();
    let hold = ["hold", sasl, "SCRAM-SHA-256", "bob", BOB, &ready_text];
    let mut hold = python("sasl.py", &hold).expect("the client");
    let held = hold.stdout(Stdio::piped()).spawn().expect("the client starts");
    eventually("bob is connected", || ready.exists());
    user(&["delete", "bob"], config, None).expect("bob is deleted");
    let output = held.wait_with_output().expect("the client ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "closed");
    user(&["delete", "bob"], config, None).expect_err("bob is gone");
}

/// What must be nowhere: by name, and its bytes.
fn secrets(cluster: &Cluster, tokens: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut secrets: Vec<(String, Vec<u8>)> = Vec::new();
    for password in [ALICE, BOB, WRONG] {
        secrets.push((password.to_owned(), password.as_bytes().to_vec()));
    }
    for token in tokens {
        let (_, signature) = token.rsplit_once('.').expect("a signature");
        secrets.push(("a token".to_owned(), signature.as_bytes().to_vec()));
    }
    for (mechanism, credential) in credentials(cluster) {
        let salted =
            mechanism.salted_password(ALICE.as_bytes(), &credential.salt, credential.iterations);
        secrets.push((format!("salted password of {}", mechanism.name()), salted.to_vec()));
        for (name, key) in [("stored", credential.stored_key), ("server", credential.server_key)] {
            // The store has the bytes themselves; a log must have them in no spelling.
            secrets.push((format!("{name} key in decimal"), decimal(&key)));
            secrets.push((format!("{name} key in base64"), STANDARD.encode(&key).into_bytes()));
            secrets.push((format!("{name} key in hexadecimal"), hexadecimal(&key)));
        }
        secrets.push(("salted password in decimal".to_owned(), decimal(&salted)));
    }
    secrets
}

/// As `Debug` prints bytes.
fn decimal(bytes: &[u8]) -> Vec<u8> {
    let text = format!("{:?}", &bytes[..8]);
    text.trim_matches(['[', ']']).as_bytes().to_vec()
}

fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()
}

/// Alice's, out of the metadata store.
fn credentials(cluster: &Cluster) -> Vec<(ScramMechanism, ScramCredential)> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = metadata::open(&cluster.etcd.url()).await.expect("etcd");
        let view = metadata::ClusterView::start(store, &Drain::new()).await.expect("its view");
        let settings = view.settings(TenantId::DEFAULT, SettingKind::Credential);
        let found = ScramMechanism::ALL.map(|mechanism| {
            let value = settings.entries.get(&mechanism.setting("alice")).expect("alice's");
            (mechanism, ScramCredential::decode(value).expect("a credential"))
        });
        found.to_vec()
    })
}

/// Looks into every file: logs at trace level, objects, write-ahead logs, etcd's own.
fn assert_nowhere(dir: &Path, secrets: &[(String, Vec<u8>)]) {
    let escaped = secrets
        .iter()
        .map(|(_, secret)| secret.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>());
    let any = format!("(?-u){}", escaped.collect::<Vec<_>>().join("|"));
    let any = regex::bytes::Regex::new(&any).expect("a pattern");
    let mut folders = vec![dir.to_owned()];
    let mut logs = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            logs += usize::from(path.extension().is_some_and(|extension| extension == "log"));
            let bytes = fs::read(&path).expect("a file");
            if let Some(found) = any.find(&bytes) {
                let secret = secrets.iter().find(|(_, secret)| secret == found.as_bytes());
                panic!("{} is in {}", secret.map_or("?", |(name, _)| name), path.display());
            }
        }
    }
    assert!(logs >= 3, "of control, node and gateway");
}
