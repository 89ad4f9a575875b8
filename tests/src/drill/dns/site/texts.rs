//! The roles' files of the drill.

use std::path::Path;

use super::{OWN_PORT, TTL, address};

fn common(http_port: u16) -> String {
    let core = address(1);
    format!("[metadata]\nurl = \"etcd://{core}:2379\"\n[http]\nlisten = \"0.0.0.0:{http_port}\"\n")
}

fn store(dir: &Path) -> String {
    format!("[store]\nurl = \"file://{}\"\n", dir.join("objects").display())
}

fn sets(of_control: bool) -> Vec<String> {
    let set = |(name, first): (&str, u8)| {
        let (one, two) = (address(first), address(first + 1));
        let mut text = format!("name = \"{name}\"\nprobe = [\"{one}:9094\", \"{two}:9094\"]\n");
        if of_control {
            text += &format!(
                "addresses = [\"{one}\", \"{two}\"]\n\
                 brokers = {{ \"b1.kafka.drill.test.\" = \"{one}\", \"b2.kafka.drill.test.\" = \"{two}\" }}\n"
            );
        }
        text
    };
    [("primary", 11), ("standby", 21)].map(set).to_vec()
}

pub(super) fn control_text(dir: &Path, name_server: &str) -> String {
    let core = address(1);
    let mut text = format!(
        "{}{}[control]\ncontrol_id = \"control\"\nlisten = \"{core}:9703\"\ndefault_partitions = 4\n\
         [control.gateway_sets]\nname = \"kafka.drill.test.\"\nttl = \"{}s\"\nvantage_points = 4\n\
         fail_after = \"5s\"\nhold_down = \"10s\"\n\
         [control.gateway_sets.probe]\ninterval = \"1s\"\ntimeout = \"3s\"\n{name_server}",
        common(9644),
        store(dir),
        TTL.as_secs(),
    );
    for set in sets(true) {
        text += &format!("[[control.gateway_sets.sets]]\n{set}");
    }
    text
}

pub(super) fn vantage_text(name: &str) -> String {
    let mut text = format!(
        "{}[vantage]\nname = \"{name}\"\n[vantage.probe]\ninterval = \"1s\"\ntimeout = \"3s\"\n",
        common(9644)
    );
    for set in sets(false) {
        text += &format!("[[vantage.sets]]\n{set}");
    }
    text
}

pub(super) fn node_text(dir: &Path) -> String {
    let wal = dir.join("wal");
    format!(
        "{}{}[storage_node]\nnode_id = 1\nlisten = \"{}:9701\"\ncache_size = \"64MiB\"\n\
         [storage_node.wal]\npath = \"{}\"\nsize = \"64MiB\"\n",
        common(9645),
        store(dir),
        address(1),
        wal.display()
    )
}

/// The gateways of both sets have the same names and ids to clients.
pub(super) fn gateway_text(set: &str, last: u8) -> String {
    let (at, slot) = (address(last), last % 10);
    format!(
        "{}[gateway]\nbroker_id = {last}\nset = \"{set}\"\nslot = {slot}\nlease = \"5s\"\n\
         [[gateway.listeners]]\nbind = \"{at}:9092\"\nadvertised_host = \"b{slot}.kafka.drill.test\"\n\
         [[gateway.listeners]]\nname = \"OWN\"\nbind = \"{at}:{OWN_PORT}\"\n\
         [[gateway.listeners]]\nname = \"PROBES\"\nbind = \"{at}:9094\"\ntenant = \"probes\"\n",
        common(9644)
    )
}
