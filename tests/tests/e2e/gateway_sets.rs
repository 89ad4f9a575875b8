//! The clients' name goes where a record can be written and read, small: a real BIND on loopback, two
//! sets of one gateway, vantage points that come in by TLS and with a password as clients do. The
//! drill of the same matter has networks, clients and their caches (`make drill DRILL=dns`).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::MetadataRequest;
use rustix::process::Signal;
use serde_json::Value;
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::identities::{Authority, Valid};
use thermocline_tests::named::{NAME, Named};
use thermocline_tests::process::{Process, free_port};
use thermocline_tests::raw::Raw;
use thermocline_tests::thermocline_binary;
use thermocline_tests::wait::eventually;

const PASSWORD: &str = "probes-password-9c3e";
const TTL_SECONDS: u64 = 5;
/// Longer than a switch takes here, hold-down included.
const STILL: Duration = Duration::from_secs(10);

/// What the sets are tried with, below a table's name.
fn probe(table: &str, outside: &Path, server_name: &str) -> String {
    let file = |name: &str| outside.join(name).display().to_string();
    let (ca, password) = (file("ca.pem"), file("password"));
    format!(
        "[{table}.probe]\ninterval = \"500ms\"\ntimeout = \"2s\"\n\
         [{table}.probe.tls]\nca = \"{ca}\"\nserver_name = \"{server_name}\"\n\
         [{table}.probe.sasl]\nuser = \"probe\"\npassword_file = \"{password}\"\n"
    )
}

/// Control's tables of two sets, tried on `port` of 127.0.0.1 and 127.0.0.2.
fn control_tables(named: &Named, port: u16, names: [&str; 2], more: &str) -> String {
    let mut text = format!(
        "[control.gateway_sets]\nname = \"{NAME}.\"\nttl = \"{TTL_SECONDS}s\"\n\
         fail_after = \"2s\"\nhold_down = \"3s\"\n{more}{}",
        named.table()
    );
    for (name, last) in names.iter().zip(1..) {
        text += &format!(
            "[[control.gateway_sets.sets]]\nname = \"{name}\"\naddresses = [\"192.0.2.{last}\"]\n\
             brokers = {{ \"b1.{NAME}.\" = \"192.0.2.{last}\" }}\nprobe = [\"127.0.0.{last}:{port}\"]\n"
        );
    }
    text
}

/// Starts `thermocline vantage`.
fn vantage(dir: &Path, cluster: &Cluster, name: &str, port: u16, probe: &str) -> Process {
    let sets = [("set-1", 1), ("set-2", 2)].map(|(set, last)| {
        format!("[[vantage.sets]]\nname = \"{set}\"\nprobe = [\"127.0.0.{last}:{port}\"]\n")
    });
    let text = format!(
        "[metadata]\nurl = \"{}\"\n[http]\nlisten = \"127.0.0.1:{}\"\n[log]\nfilter = \"trace\"\n\
         [vantage]\nname = \"{name}\"\n{probe}{}",
        cluster.etcd.url(),
        free_port().expect("a port"),
        sets.concat()
    );
    let config = dir.join(format!("{name}.toml"));
    fs::write(&config, text).expect("a file");
    let mut command = Command::new(thermocline_binary());
    command.arg("vantage").arg("--config").arg(config);
    Process::spawn(name, command, dir).expect("the binary runs")
}

/// The active set, its generation, and whether DNS says so too.
fn active(sets: &Value) -> (String, u64, bool) {
    let active = &sets["active"];
    let set = active["set"].as_str().unwrap_or_default().to_owned();
    (set, active["generation"].as_u64().unwrap_or(0), active["applied"] == true)
}

fn is_active(cluster: &Cluster, set: &str, generation: u64) -> bool {
    let sets = cluster.admin(&["gateway-sets"]);
    sets.is_ok_and(|sets| active(&sets) == (set.to_owned(), generation, true))
}

fn problems(cluster: &Cluster) -> String {
    cluster.admin(&["gateway-sets"]).map(|sets| sets["sets"].to_string()).unwrap_or_default()
}

fn leads_to(named: &Named, address: &str) -> bool {
    let names = [NAME.to_owned(), format!("b1.{NAME}")];
    names.iter().all(|name| named.answer(name, "A").is_ok_and(|answer| answer == address))
}

#[test]
fn a_set_that_is_reached_by_tls_and_password_only_is_left_when_it_does_not_answer() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let outside = tempfile::tempdir().expect("temporary folder");
    let file = |name: &str| outside.path().join(name);
    let authority = Authority::new("gateways").expect("an issuer");
    authority.write(&file("ca.pem")).expect("a file");
    authority.issue(&file("gateway.pem"), "gateway", &[NAME], Valid::Now).expect("a certificate");
    fs::write(file("password"), format!("{PASSWORD}\n")).expect("a file");
    let named = Named::on_loopback(dir.path(), free_port().expect("a port"), TTL_SECONDS);
    let named = named.expect("BIND starts");
    let port = free_port().expect("a port");
    let pem = file("gateway.pem").display().to_string();
    let rules =
        format!("vantage_points = 4\n{}", probe("control.gateway_sets", outside.path(), NAME));
    let spec = Spec {
        nodes: 1,
        gateways: 2,
        readers: 0,
        store: StoreKind::Directory,
        control_lines: control_tables(&named, port, ["set-1", "set-2"], &rules)
            + "[log]\nfilter = \"trace\"\n",
        gateway_lines: "set = \"set-{id}\"\nslot = 1".to_owned(),
        gateway_tables: format!(
            "[[gateway.listeners]]\nname = \"PROBES\"\nbind = \"127.0.0.{{id}}:{port}\"\n\
             security = \"sasl_tls\"\n[gateway.listeners.tls]\ncertificate = \"{pem}\"\nkey = \"{pem}\"\n"
        ),
        ..Spec::default()
    };
    let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    let of_vantage = |name| probe("vantage", outside.path(), name);
    let good = of_vantage(NAME);
    let _good = ["v1", "v2"].map(|name| vantage(dir.path(), &cluster, name, port, &good));
    // It is told another name than the certificate has, so it has no good word for anybody.
    let elsewhere = of_vantage("elsewhere.test");
    let _elsewhere = vantage(dir.path(), &cluster, "v3", port, &elsewhere);

    eventually("nobody gets in without being a user", || {
        problems(&cluster).contains("the user `probe` is not let in")
    });
    let mut add = Command::new(thermocline_binary());
    add.args(["user", "add", "probe", "--mechanism", "SCRAM-SHA-512", "--config"])
        .arg(dir.path().join("gateway-1.toml"))
        .arg("--password-file")
        .arg(file("password"));
    assert!(add.status().expect("the binary runs").success());
    let serves = |set: usize| {
        let sets = cluster.admin(&["gateway-sets"]).unwrap_or_default();
        sets["sets"][set]["verdict"] == "serves" && sets["sets"][set]["serves"] == 3
    };
    eventually("three of four see both sets serve", || serves(0) && serves(1));
    assert!(problems(&cluster).contains("certificate"), "{}", problems(&cluster));
    assert!(is_active(&cluster, "set-1", 1) && leads_to(&named, "192.0.2.1"));

    // Its port goes on accepting: what does not come is an answer.
    cluster.gateways[0].signal(Signal::STOP).expect("it runs");
    eventually("the set that does not answer is left", || is_active(&cluster, "set-2", 2));
    assert!(leads_to(&named, "192.0.2.2"));
    cluster.gateways[0].signal(Signal::CONT).expect("it runs");
    eventually("it serves again", || serves(0));
    sleep(STILL);
    assert!(is_active(&cluster, "set-2", 2), "nobody goes back by himself");
    let dry = cluster.admin(&["failback", "--dry-run"]).expect("it is answered");
    assert_eq!(dry["next"]["set"], "set-1");
    assert!(is_active(&cluster, "set-2", 2), "a dry run changes nothing");
    cluster.admin(&["failback"]).expect("an operator may");
    eventually("an operator goes back", || is_active(&cluster, "set-1", 3));
    assert!(leads_to(&named, "192.0.2.1"));
    let stamp = named.answer(&format!("_thermocline.{NAME}"), "TXT").expect("dig runs");
    assert!(stamp.contains("generation=3 set=set-1"), "{stamp}");

    assert!(!problems(&cluster).contains(PASSWORD));
    drop(cluster);
    password_is_in_no_log_of(dir.path());
}

fn password_is_in_no_log_of(dir: &Path) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let log = String::from_utf8_lossy(&fs::read(&path).expect("a log")).into_owned();
            assert!(!log.contains(PASSWORD), "{} tells the password", path.display());
        }
    }
}

#[test]
fn a_promotion_ends_with_the_name_at_the_new_site_and_the_old_one_sends_clients_away() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let named = Named::on_loopback(dir.path(), free_port().expect("a port"), TTL_SECONDS);
    let named = named.expect("BIND starts");
    let port = free_port().expect("a port");
    // An operator promotes, so nothing is left to the switcher.
    let fast = "[control.gateway_sets.probe]\ninterval = \"500ms\"\ntimeout = \"2s\"\n";
    let rules = format!("automatic = false\n{fast}");
    let tables = control_tables(&named, port, ["set-1", "set-2"], &rules);
    let site = |name: &str| format!("[control.standby]\nsite = \"{name}\"\n{tables}");
    let of_gateway = |last: usize| {
        format!("[[gateway.listeners]]\nname = \"PROBES\"\nbind = \"127.0.0.{last}:{port}\"\n")
    };
    let spec = |last: usize, control_lines: String| Spec {
        nodes: 1,
        gateways: 1,
        readers: 0,
        front: FrontKind::Object,
        control_lines,
        gateway_lines: format!("set = \"set-{last}\"\nslot = 1"),
        gateway_tables: of_gateway(last),
        ..Spec::default()
    };
    let mut a = Cluster::start(&dir.path().join("a"), &spec(1, tables.clone())).expect("a starts");
    a.control.add_to_config("[control.standby]\nsite = \"set-1\"\n").expect("a file");
    let of_b = spec(2, site("set-2"));
    let b = a.second_site(&dir.path().join("b"), &of_b).expect("b stands by");
    let probe = fast.replace("control.gateway_sets", "vantage");
    let _vantages = ["v1", "v2"].map(|name| vantage(dir.path(), &b, name, port, &probe));
    eventually("the name leads to a", || is_active(&a, "set-1", 1));
    assert!(leads_to(&named, "192.0.2.1"));

    a.signal(Signal::STOP).expect("it runs");
    a.etcd.signal(Signal::STOP).expect("it runs");
    let dry = b.run(&["promote", "--dry-run"]).expect("it can be promoted");
    let then = format!("then the clients' name {NAME}. goes to gateway set `set-2`: 192.0.2.2");
    assert!(dry.contains(&then), "{dry}");
    assert!(leads_to(&named, "192.0.2.1"), "a dry run changes nothing");
    let done = b.run(&["promote"]).expect("b is promoted");
    let leads = format!("{NAME}. leads to gateway set `set-2`, generation 2");
    assert!(done.contains(&leads), "{done}");
    assert!(leads_to(&named, "192.0.2.2") && is_active(&b, "set-2", 2));

    a.etcd.signal(Signal::CONT).expect("it runs");
    a.signal(Signal::CONT).expect("it runs");
    let old = a.bootstrap();
    let told = || {
        let mut client = Raw::connect(&old, "old").ok()?;
        let answer = client.ask(&MetadataRequest::default().with_topics(None), 13).ok()?;
        Some(answer.error_code)
    };
    eventually("who comes to the old site is told to begin again", || {
        told() == Some(ErrorCode::RebootstrapRequired.code())
    });
    let ended = a.gateways[0].wait_exit().expect("it ends by itself");
    assert!(!ended.success(), "it says that its bucket was taken over");
    assert!(leads_to(&named, "192.0.2.2"), "the old site's control does not take the name back");
}
