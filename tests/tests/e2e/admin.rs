//! What administrators ask, asked of `thermocline dev` and once of a Kafka broker: the same answers,
//! but for those that are listed here with their reason.

use thermocline_tests::clients::Client;
use thermocline_tests::dev::Dev;

/// What `AdminQuestions` prints for a fresh Apache Kafka 4.1.0 of one process with default settings,
/// as recorded.
const KAFKA: &str = include_str!("admin/kafka-4.1.0.txt");

/// Where we answer otherwise: our line, and why.
const DIFFERENT: [(&str, &str); 3] = [
    (
        "config min.insync.replicas: 1 INT DEFAULT_CONFIG, min.insync.replicas DEFAULT_CONFIG",
        "Kafka sets it on all brokers when it formats a cluster; no config of ours is dynamic",
    ),
    ("config thermocline.front: default STRING DEFAULT_CONFIG", "our own"),
    ("resources with configs: [BROKER 1, TOPIC asked.topic]", "loggers have no configs here"),
];

#[test]
fn an_admin_client_gets_the_answers_of_a_kafka_broker() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let node = Dev::start(dir.path(), &[]).expect("dev starts");
    let output =
        Client::Java.command().expect("a client").args(["admin", &node.bootstrap()]).output();
    let output = output.expect("the client runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).expect("text");

    let question = |line: &str| line.split(": ").next().expect("a question").to_owned();
    let mut expected: Vec<_> = KAFKA.lines().map(str::to_owned).collect();
    for (ours, why) in DIFFERENT {
        assert!(
            !expected.iter().any(|line| line == ours),
            "not different any more: {ours} ({why})"
        );
        match expected.iter_mut().find(|line| question(line) == question(ours)) {
            Some(line) => ours.clone_into(line),
            None => {
                // A config that Kafka does not have, in the order of names.
                let is_after = |line: &String| line.starts_with("config ") && line.as_str() > ours;
                let at = expected.iter().position(is_after).expect("another config");
                expected.insert(at, ours.to_owned());
            }
        }
    }
    let answers: Vec<_> = answers.lines().collect();
    for (ours, kafkas) in answers.iter().zip(&expected) {
        assert_eq!(ours, kafkas, "all answers: {answers:#?}");
    }
    assert_eq!(answers.len(), expected.len());
}
