//! Who is served by which listener, and what the others are told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use thermocline_tests::attempts::{Attempt, Who};
use thermocline_tests::identities::{AUDIENCE, Authority, ISSUER, Issuer, Valid};
use thermocline_tests::process::free_address;

use super::{ALICE, BOB, TOPIC, WRONG};

/// Listeners of the gateway, and with what clients come to them.
pub(super) struct Table {
    /// Files that nobody but clients and the gateway should have.
    dir: PathBuf,
    doors: BTreeMap<&'static str, SocketAddr>,
    pub(super) tokens: Vec<String>,
    rows: Vec<(Attempt, &'static str)>,
}

/// Name, security, certificate, and more lines of its tables.
const LISTENERS: [(&str, &str, &str, &str); 7] = [
    ("SASL", "sasl_plaintext", "", "max_reauth = \"3s\"\nMECHANISMS"),
    ("SASL-TLS", "sasl_tls", "gateway", "MECHANISMS"),
    ("STRICT", "sasl_tls", "gateway", "mechanisms = [\"SCRAM-SHA-512\"]\n"),
    ("MUTUAL", "tls", "gateway", ""),
    ("EXPIRED", "tls", "gateway-expired", ""),
    ("NOT-YET", "tls", "gateway-not-yet", ""),
    ("ELSEWHERE", "tls", "gateway-elsewhere", ""),
];

const SHA256: &str = "SCRAM-SHA-256";
const SHA512: &str = "SCRAM-SHA-512";

// === impl Table ===

impl Table {
    pub(super) fn new(dir: &Path) -> anyhow::Result<Self> {
        let mut doors = BTreeMap::new();
        for (name, ..) in LISTENERS {
            doors.insert(name, free_address()?);
        }
        let (ours, clients) = (Authority::new("gateways")?, Authority::new("clients")?);
        // Of the same name, so that clients think theirs is what is asked for.
        let others = Authority::new("clients")?;
        ours.write(&dir.join("gateways.ca"))?;
        clients.write(&dir.join("clients.ca"))?;
        let pem = |name: &str| dir.join(format!("{name}.pem"));
        let here = ["localhost", "127.0.0.1"];
        ours.issue(&pem("gateway"), "gateway", &here, Valid::Now)?;
        ours.issue(&pem("gateway-expired"), "gateway", &here, Valid::Expired)?;
        ours.issue(&pem("gateway-not-yet"), "gateway", &here, Valid::NotYet)?;
        ours.issue(&pem("gateway-elsewhere"), "gateway", &["kafka.example"], Valid::Now)?;
        clients.issue(&pem("client"), "orders", &[], Valid::Now)?;
        clients.issue(&pem("client-expired"), "orders", &[], Valid::Expired)?;
        clients.issue(&pem("client-not-yet"), "orders", &[], Valid::NotYet)?;
        others.issue(&pem("client-of-others"), "orders", &[], Valid::Now)?;
        let issuer = Issuer::new(&dir.join("jwks.json"))?;
        let stranger = Issuer::new(&dir.join("jwks-of-others.json"))?;
        let tokens = vec![issuer.token(600)?, issuer.token(-600)?, stranger.token(600)?];
        let mut table = Self { dir: dir.to_owned(), doors, tokens, rows: Vec::new() };
        table.sasl();
        table.sasl_over_tls();
        table.certificates();
        table.downgrades();
        Ok(table)
    }

    /// The gateway's listeners, as its configuration has them.
    pub(super) fn listeners(&self) -> String {
        let path = |name: &str| self.dir.join(name).display().to_string();
        let mut text = String::new();
        for (name, security, certificate, lines) in LISTENERS {
            let bind = self.doors[name];
            let mut add = |line: String| writeln!(text, "{line}").expect("memory takes text");
            add(format!("[[gateway.listeners]]\nname = \"{name}\"\nbind = \"{bind}\""));
            add(format!("security = \"{security}\""));
            if !certificate.is_empty() {
                let pem = path(&format!("{certificate}.pem"));
                add(format!("[gateway.listeners.tls]\ncertificate = \"{pem}\"\nkey = \"{pem}\""));
            }
            match name {
                "STRICT" => add("min_version = \"1.3\"".to_owned()),
                "MUTUAL" => add(format!(
                    "client_auth = \"required\"\nclient_ca = \"{}\"",
                    path("clients.ca")
                )),
                _ => {}
            }
            if !lines.is_empty() {
                let plain = if certificate.is_empty() { "" } else { "\"PLAIN\", " };
                let oauth = format!(
                    "mechanisms = [{plain}\"{SHA256}\", \"{SHA512}\", \"OAUTHBEARER\"]\n\
                     [gateway.listeners.sasl.oauth]\njwks = \"{}\"\nissuer = \"{ISSUER}\"\n\
                     audience = [\"{AUDIENCE}\"]",
                    path("jwks.json")
                );
                let lines = lines.replace("MECHANISMS", &oauth);
                add(format!("[gateway.listeners.sasl]\n{lines}"));
            }
        }
        text
    }

    /// Where a listener is.
    pub(super) fn door(&self, listener: &str) -> String {
        self.doors[listener].to_string()
    }

    /// Lets a client try all of it; where it was told something else than it should.
    pub(super) fn differences(&self, who: Who) -> Vec<String> {
        let attempts: Vec<Attempt> = self.rows.iter().map(|(attempt, _)| attempt.clone()).collect();
        let outcomes = who.attempt(&attempts, &self.dir).expect("the client runs");
        let difference = |(attempt, expected): &(Attempt, &'static str)| {
            let expected = expected_of(who, attempt, expected);
            let told = outcomes.get(&attempt.name).map_or("nothing", String::as_str);
            (told != expected).then(|| format!("{who:?}, {}: {told}, not {expected}", attempt.name))
        };
        self.rows.iter().filter_map(difference).collect()
    }

    /// Without TLS, where PLAIN cannot be had.
    fn sasl(&mut self) {
        let [good, expired, strange] =
            [0, 1, 2].map(|index: usize| ("OAUTHBEARER", "-", self.tokens[index].clone()));
        let owned = |mechanism, user, secret: &str| (mechanism, user, secret.to_owned());
        for (name, sasl, expected) in [
            ("alice", owned(SHA256, "alice", ALICE), "ok"),
            ("alice", owned(SHA512, "alice", ALICE), "ok"),
            ("bob", owned(SHA256, "bob", BOB), "ok"),
            ("bob, who has no such key", owned(SHA512, "bob", BOB), "credentials"),
            ("a wrong password", owned(SHA256, "alice", WRONG), "credentials"),
            ("a wrong password", owned(SHA512, "alice", WRONG), "credentials"),
            ("nobody", owned(SHA512, "nobody", ALICE), "credentials"),
            ("no TLS", owned("PLAIN", "alice", ALICE), "mechanism"),
            ("a token", good, "ok"),
            ("an expired token", expired, "credentials"),
            ("a token of others", strange, "credentials"),
        ] {
            let name = format!("{} without TLS: {name}", sasl.0);
            let attempt = self.attempt(name, "SASL", "SASL_PLAINTEXT", "1.3");
            self.add(Attempt { ca: None, sasl: Some(of(sasl)), ..attempt }, expected);
        }
    }

    fn sasl_over_tls(&mut self) {
        let token = |index: usize| ("OAUTHBEARER", "-", self.tokens[index].clone());
        let (good, expired) = (token(0), token(1));
        let alice = |mechanism, secret: &str| (mechanism, "alice", secret.to_owned());
        for tls in ["1.2", "1.3"] {
            for (name, sasl, expected) in [
                ("alice", alice(SHA256, ALICE), "ok"),
                ("alice", alice(SHA512, ALICE), "ok"),
                ("alice", alice("PLAIN", ALICE), "ok"),
                ("a token", good.clone(), "ok"),
                ("a wrong password", alice(SHA512, WRONG), "credentials"),
                ("a wrong password", alice("PLAIN", WRONG), "credentials"),
                ("an expired token", expired.clone(), "credentials"),
            ] {
                let name = format!("{} over TLS {tls}: {name}", sasl.0);
                let attempt = self.attempt(name, "SASL-TLS", "SASL_SSL", tls);
                self.add(Attempt { sasl: Some(of(sasl)), ..attempt }, expected);
            }
        }
    }

    fn certificates(&mut self) {
        for tls in ["1.2", "1.3"] {
            for (listener, expected) in
                [("EXPIRED", "tls"), ("NOT-YET", "tls"), ("ELSEWHERE", "tls")]
            {
                let name = format!("gateway's certificate, TLS {tls}: {listener}");
                let attempt = self.attempt(name, listener, "SSL", tls);
                self.add(attempt, expected);
            }
            let name = format!("gateway's certificate, TLS {tls}: of an issuer not trusted");
            let attempt = self.attempt(name, "MUTUAL", "SSL", tls);
            let others = Some(self.dir.join("clients.ca"));
            self.add(Attempt { ca: others, ..attempt }, "tls");
            for (identity, expected) in [
                ("client", "ok"),
                ("none", "tls"),
                ("client-of-others", "tls"),
                ("client-expired", "tls"),
                ("client-not-yet", "tls"),
            ] {
                let name = format!("client's certificate, TLS {tls}: {identity}");
                let attempt = self.attempt(name, "MUTUAL", "SSL", tls);
                let file = self.dir.join(format!("{identity}.pem"));
                let identity = (identity != "none").then_some(file);
                self.add(Attempt { identity, ..attempt }, expected);
            }
        }
    }

    fn downgrades(&mut self) {
        let alice = |mechanism| Some((mechanism, "alice".to_owned(), ALICE.to_owned()));
        for (name, listener, tls, mechanism, weak, expected) in [
            ("none", "STRICT", "1.3", SHA512, false, "ok"),
            ("TLS 1.2 where 1.3 is asked for", "STRICT", "1.2", SHA512, false, "tls"),
            ("TLS 1.1", "SASL-TLS", "1.1", SHA512, false, "tls"),
            ("a cipher without forward secrecy", "SASL-TLS", "1.2", SHA512, true, "tls"),
            ("a mechanism that is not offered", "STRICT", "1.3", SHA256, false, "mechanism"),
            ("the password itself", "STRICT", "1.3", "PLAIN", false, "mechanism"),
        ] {
            let attempt = self.attempt(format!("downgrade: {name}"), listener, "SASL_SSL", tls);
            self.add(Attempt { sasl: alice(mechanism), weak, ..attempt }, expected);
        }
        let bare = self.attempt("downgrade: no TLS".to_owned(), "MUTUAL", "PLAINTEXT", "1.3");
        self.add(Attempt { ca: None, ..bare }, "closed");
    }

    fn attempt(
        &self,
        name: String,
        listener: &str,
        protocol: &'static str,
        tls: &'static str,
    ) -> Attempt {
        let (bootstrap, ca) = (self.door(listener), Some(self.dir.join("gateways.ca")));
        Attempt { name, bootstrap, protocol, tls, ca, topic: TOPIC, ..Attempt::default() }
    }

    fn add(&mut self, attempt: Attempt, expected: &'static str) {
        self.rows.push((attempt, expected));
    }
}

fn of((mechanism, user, secret): (&'static str, &str, String)) -> (&'static str, String, String) {
    (mechanism, user.to_owned(), secret)
}

/// What a client makes of it: not all of them hear all that they are told, by Apache Kafka neither.
fn expected_of(who: Who, attempt: &Attempt, expected: &'static str) -> &'static str {
    let mechanism = attempt.sasl.as_ref().map(|(mechanism, ..)| *mechanism);
    match (who, expected) {
        // It takes any answer to a token for a yes.
        (Who::Aiokafka, "credentials") if mechanism == Some("OAUTHBEARER") => "closed",
        // In 1.3 a client's certificate is judged when the client has done its part of the handshake.
        (Who::Aiokafka | Who::Librdkafka, "tls")
            if attempt.name.starts_with("client's certificate, TLS 1.3") =>
        {
            "closed"
        }
        _ => expected,
    }
}
