//! Real clients come with passwords, tokens and certificates, over each version of TLS; those that should be
//! are served, and the others are told why not. They lose their connection with their user. Afterwards the
//! secrets of all of it are looked for wherever they could have been left.

mod secrets;
mod table;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;
use thermocline_tests::attempts::{Attempt, Who};
use thermocline_tests::clients::{Client, python};
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};
use thermocline_tests::process::metric;
use thermocline_tests::thermocline_binary;
use thermocline_tests::wait::eventually;

use self::secrets::Secrets;
use self::table::Table;

const TOPIC: &str = "secured";
const ALICE: &str = "alices-password-e1d4";
const BOB: &str = "bobs-password-77ac";
const WRONG: &str = "wrong-password-50b2";

fn spec(table: &Table) -> Spec {
    let trace = "[log]\nfilter = \"trace\"\n";
    Spec {
        nodes: 1,
        gateways: 1,
        readers: 0,
        store: StoreKind::Directory,
        gateway_tables: table.listeners() + trace,
        control_lines: trace.to_owned(),
        ..Spec::default()
    }
}

/// A `thermocline user` command.
fn user_command(arguments: &[&str], config: &Path, password: Option<&Path>) -> Command {
    let mut command = Command::new(thermocline_binary());
    command.arg("user").args(arguments).arg("--config").arg(config);
    if let Some(file) = password {
        command.arg("--password-file").arg(file);
    }
    command
}

/// Runs it; what it prints, or its error.
fn user(arguments: &[&str], config: &Path, password: Option<&Path>) -> Result<String, String> {
    let output = user_command(arguments, config, password).output().expect("the binary runs");
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn who_proves_itself_is_served_and_its_secrets_are_nowhere() {
    secrets::let_cores_be_dumped();
    let (dir, outside) =
        (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let table = Table::new(outside.path()).expect("keys and certificates");
    let mut cluster = Cluster::start(dir.path(), &spec(&table)).expect("cluster starts");
    let plaintext = cluster.bootstrap();
    Client::Python.create_topic(&plaintext, TOPIC, 1).expect("topic is created");
    let config = dir.path().join("gateway-1.toml");
    make_users(&plaintext, &config, outside.path());

    let table = &table;
    let differences = thread::scope(|scope| {
        let all = Who::all().into_iter();
        let started: Vec<_> = all.map(|who| scope.spawn(move || table.differences(who))).collect();
        let ended = started.into_iter().map(|client| client.join().expect("a client's outcomes"));
        ended.flatten().collect::<Vec<_>>()
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    of_java(&cluster, &table.door("SASL"));
    of_a_deleted_user(&table.door("SASL"), &config, outside.path());

    let secrets = Secrets::of(&cluster, &table.tokens, outside.path());
    secrets.are_not_told_by(&cluster);
    secrets.are_not_given_to(&mut user_command(&["add", "dave"], &config, None));
    for role in cluster.roles() {
        role.signal(Signal::ABORT).expect("it runs");
        secrets::is_not_dumped(role.wait_exit().expect("it ends"));
    }
    drop(cluster);
    secrets.are_in_no_file_of(dir.path());
}

/// Alice, who may log in by both mechanisms, and Bob, as Kafka's tools make him.
fn make_users(plaintext: &str, config: &Path, outside: &Path) {
    let password = outside.join("password");
    fs::write(&password, format!("{ALICE}\n")).expect("password is written");
    let both = ["add", "alice", "--mechanism", "SCRAM-SHA-256", "--mechanism", "SCRAM-SHA-512"];
    user(&both, config, Some(&password)).expect("the first user needs no other");
    user(&both, config, Some(&password)).expect_err("there is one of that name");
    let set = Client::Java.run(&["set_user", plaintext, "bob", BOB], None);
    let set = set.expect("as Kafka's tools");
    assert!(set.contains("iterations=4096"), "{set}");
    let listed = user(&["list"], config, None).expect("users are listed");
    let expected = "USER   MECHANISMS\nalice  SCRAM-SHA-256, SCRAM-SHA-512\nbob    SCRAM-SHA-256";
    assert_eq!(listed, expected);
}

/// Java is told why, and is served over the end of its session, for it proves itself
/// again.
fn of_java(cluster: &Cluster, sasl: &str) {
    let login = |mechanism, password, seconds| {
        let login = ["login", sasl, mechanism, "alice", password, seconds];
        Client::Java.run(&login, None).expect("a reason")
    };
    assert_eq!(
        login("SCRAM-SHA-512", WRONG, "0"),
        "SaslAuthenticationException: Authentication failed: the credentials are invalid."
    );
    let http = cluster.gateways[0].http();
    let known =
        || metric(http, "gateway_authentications_total", "success").expect("some were let in");
    let known_before = known();
    assert_eq!(login("SCRAM-SHA-512", ALICE, "8"), "ok");
    assert!(known() >= known_before + 3.0, "it proved more than once who it is");
}

fn of_a_deleted_user(sasl: &str, config: &Path, outside: &Path) {
    let (ready, file) = (outside.join("ready"), outside.join("hold"));
    let attempt = Attempt {
        name: "hold".to_owned(),
        bootstrap: sasl.to_owned(),
        protocol: "SASL_PLAINTEXT",
        sasl: Some(("SCRAM-SHA-256", "bob".to_owned(), BOB.to_owned())),
        ..Attempt::default()
    };
    fs::write(&file, attempt.line()).expect("the attempt is written");
    let hold = ["hold", &file.to_string_lossy(), &ready.to_string_lossy()];
    let mut hold = python("secured.py", &hold).expect("the client");
    let held = hold.stdout(Stdio::piped()).spawn().expect("the client starts");
    eventually("bob is connected", || ready.exists());
    user(&["delete", "bob"], config, None).expect("bob is deleted");
    let output = held.wait_with_output().expect("the client ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "closed");
    user(&["delete", "bob"], config, None).expect_err("bob is gone");
}
