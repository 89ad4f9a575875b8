//! Operators' commands, as an operator types them at `thermocline dev`: what they print, with what
//! code they end, and what control's log says of them afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use thermocline_tests::clients::Client;
use thermocline_tests::dev::Dev;
use thermocline_tests::wait::eventually;
use thermocline_tests::{process::free_address, thermocline_binary};

/// What is typed after `thermocline`, with the file that `dev` leaves.
struct Operator {
    file: PathBuf,
}

impl Operator {
    fn types(&self, line: &str) -> Output {
        let mut command = Command::new(thermocline_binary());
        command.args(line.split(' ')).arg("--config").arg(&self.file).env("USER", "alice");
        command.output().expect("the binary runs")
    }

    /// The table that is printed, by words.
    fn sees(&self, line: &str) -> Vec<Vec<String>> {
        let output = self.types(line);
        assert!(output.status.success(), "{line}: {output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.ends_with('\n') && text.lines().all(|line| line.trim_end() == line), "{text}");
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    fn json(&self, line: &str) -> Value {
        let output = self.types(&format!("{line} --json"));
        assert!(output.status.success(), "{line}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    }

    /// The error of a command that does not succeed: one line, nothing on stdout.
    fn is_told(&self, line: &str) -> String {
        told(&self.types(line))
    }
}

fn told(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = error.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn an_operator_sees_what_there_is_and_is_told_what_helps() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let node = Dev::start(dir.path(), &["--log", "info"]).expect("dev starts");
    let operator = Operator { file: dir.path().join("data/operator.toml") };
    Client::Python.create_topic(&node.bootstrap(), "orders", 3).expect("a topic");
    eventually("three partitions with an owner", || {
        let all = operator.json("partitions --topic orders");
        let owned = all["partitions"].as_array().map(|all| all.iter().all(|it| it["node"] == 1));
        owned == Some(true)
    });
    shows(&operator);
    changes(&operator);
    refuses(&operator, dir.path());
    let log = node.process.log();
    let changes: Vec<&str> = log.lines().filter(|it| it.contains("an operator's change")).collect();
    let of = |what: &str| {
        let line = changes.iter().find(|line| line.contains(what));
        line.unwrap_or_else(|| panic!("no line of {what}: {changes:#?}"))
    };
    assert!(of("POST /v1/nodes/1/cordon").contains("alice@"), "{changes:#?}");
    assert!(of("PUT /v1/nodes/1/weight").contains("200"), "{changes:#?}");
    assert!(of("POST /v1/nodes/9/drain").contains("outcome=404"), "what was refused, too");
    assert!(!changes.iter().any(|line| line.contains("GET")), "reading changes nothing");
    let token = std::fs::read_to_string(&operator.file).expect("its own file");
    let token = token.split('"').rev().nth(1).expect("a token");
    assert!(token.len() == 64 && !log.contains(token), "nor is the token there");
}

fn shows(operator: &Operator) {
    let nodes = operator.sees("nodes");
    assert_eq!(nodes[0][..4], ["NODE", "STATE", "DUTY", "WEIGHT"]);
    assert_eq!(nodes[1][..4], ["1", "up", "active", "100"]);
    let status = operator.json("status");
    assert_eq!((&status["nodes_up"], &status["unassigned"]), (&json!(1), &json!(0)));
    assert!(operator.sees("status").iter().any(|row| row[..] == ["topics", "2"]));
    let topics = operator.sees("topics");
    assert!(topics.iter().any(|row| row[..] == ["1", "orders", "3", "0", "1:3"]), "{topics:?}");
    let partitions = operator.sees("partitions --topic orders --tenant 1 --node 1");
    let indices: Vec<&str> = partitions[1..].iter().map(|row| row[2].as_str()).collect();
    assert_eq!(indices, ["0", "1", "2"], "in their order");
    // What there is none of is a heading, and an empty list.
    assert_eq!(operator.sees("pins"), [["TENANT", "TOPIC", "PARTITION", "NODE"]]);
    assert_eq!(operator.json("pins"), json!([]));
    assert_eq!(operator.json("moves")["under_way"], json!([]));
}

fn changes(operator: &Operator) {
    assert_eq!(operator.sees("cordon 1")[1][2], "cordoned");
    assert_eq!(operator.json("uncordon 1")["duty"], json!("active"));
    assert_eq!(operator.sees("weight 1 200")[1][3], "200");
    assert_eq!(operator.json("weight 1 100")["weight"], json!(100));
    let pins = operator.sees("pin orders 2 --to 1");
    assert_eq!(pins[1], ["1", "orders", "2", "1"]);
    assert_eq!(operator.json("unpin orders 2"), json!([]));
    // There is nowhere to go: it says so, and goes on draining.
    let drained = operator.types("drain 1 --no-wait");
    let text = String::from_utf8_lossy(&drained.stdout);
    assert!(text.contains("cannot be emptied: no active node"), "{text}");
    let error = operator.is_told("drain 1");
    assert!(error.contains("node 1 is not empty") && error.contains("stays draining"), "{error}");
    assert_eq!(operator.json("undrain 1")["duty"], json!("active"));
}

fn refuses(operator: &Operator, dir: &Path) {
    for (line, words) in [
        ("drain 9", "there is no node 9"),
        ("partitions --topic nope", "`thermocline topics`"),
        ("partitions --node 9", "there is no node 9"),
        ("weight 1 0", "between 1 and"),
        ("move orders 0 --to 1", "on node 1 already"),
        ("move orders 7 --to 1", "3 partitions"),
        ("move nope 0 --to 1", "`nope`"),
        ("gateway-sets", "gateway_sets"),
    ] {
        let error = operator.is_told(line);
        assert!(error.contains(words), "{line}: {error}");
    }
    let typed = |args: &[&str]| {
        Command::new(thermocline_binary()).args(args).output().expect("the binary runs")
    };
    assert_eq!(typed(&["nodes"]).status.code(), Some(2), "a file is needed");
    assert_eq!(typed(&["drain", "x", "--config", "c"]).status.code(), Some(2));
    assert!(told(&typed(&["nodes", "--config", "/nowhere.toml"])).contains("/nowhere.toml"));

    let access = std::fs::read_to_string(&operator.file).expect("its own file");
    let address = access.split('"').nth(1).expect("an address");
    let wrong = typed(&["nodes", "--admin", address, "--token", "wrong"]);
    assert!(told(&wrong).contains("refuses the token"), "{wrong:?}");
    let gone = free_address().expect("an address").to_string();
    let nobody = typed(&["nodes", "--admin", &gone, "--token", "wrong"]);
    assert!(told(&nobody).contains(&format!("control at {gone} does not answer")), "{nobody:?}");
    let other = dir.join("other.toml");
    std::fs::write(&other, "[admin]\naddress = \"x\"\n").expect("a file");
    let unread = typed(&["nodes", "--config", other.to_str().expect("text")]);
    assert!(told(&unread).contains("token"), "{unread:?}");
}
