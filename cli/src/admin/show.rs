//! The admin API's answers as tables.

use control::api::model::{
    MoveInfo, MovesInfo, NodeInfo, PartitionInfo, Partitions, PinInfo, Status, TopicInfo,
    TrafficInfo,
};

use crate::table::{bytes, table};

pub(super) fn status(status: &Status) -> String {
    let rows = [
        ("cluster", status.cluster_id.clone()),
        ("leader", status.leader.clone()),
        ("nodes", format!("{} up, {} missing", status.nodes_up, status.nodes_missing)),
        ("gateways", status.gateways.to_string()),
        ("cold readers", status.readers.to_string()),
        ("topics", status.topics.to_string()),
        ("partitions", format!("{}, {} unassigned", status.partitions, status.unassigned)),
        (
            "moves",
            format!("{} under way, {} waiting", status.moves_under_way, status.moves_waiting),
        ),
    ];
    rows.iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect()
}

pub(super) fn nodes(nodes: &[NodeInfo]) -> String {
    let headings = [
        "NODE",
        "STATE",
        "DUTY",
        "WEIGHT",
        "ZONE",
        "FRONT",
        "PARTITIONS",
        "SERVING",
        "IN/S",
        "OUT/S",
        "REQUESTS/S",
        "CPU",
        "MEMORY",
    ];
    let rows: Vec<_> = nodes.iter().map(node).collect();
    let mut text = table(&headings, &rows);
    for node in nodes {
        if let Some(reason) = &node.stuck {
            text.push_str(&format!("node {} cannot be emptied: {reason}\n", node.node));
        }
        if node.clock_is_wrong {
            text.push_str(&format!("node {} gets no partitions: its clock is wrong\n", node.node));
        }
    }
    text
}

fn node(info: &NodeInfo) -> Vec<String> {
    let load = info.load.as_ref();
    let of_load = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut row = vec![
        info.node.to_string(),
        info.state.clone(),
        info.duty.clone(),
        info.weight.to_string(),
        if info.zone.is_empty() { "-".to_owned() } else { info.zone.clone() },
        info.front.clone(),
        info.partitions.to_string(),
        of_load(load.map(|load| load.serving.to_string())),
    ];
    row.extend(traffic(load.map(|load| &load.traffic)));
    row.push(of_load(load.map(|load| format!("{:.0} %", load.cpu * 100.0))));
    row.push(of_load(load.map(|load| bytes(load.memory_bytes))));
    row
}

fn traffic(traffic: Option<&TrafficInfo>) -> [String; 3] {
    match traffic {
        Some(it) => [bytes(it.bytes_in), bytes(it.bytes_out), it.requests.to_string()],
        None => ["-", "-", "-"].map(str::to_owned),
    }
}

pub(super) fn topics(topics: &[TopicInfo]) -> String {
    let rows = topics.iter().map(|topic| {
        let nodes: Vec<_> =
            topic.nodes.iter().map(|(node, count)| format!("{node}:{count}")).collect();
        vec![
            topic.tenant.to_string(),
            topic.topic.clone(),
            topic.partitions.to_string(),
            topic.unassigned.to_string(),
            nodes.join(" "),
        ]
    });
    let rows: Vec<_> = rows.collect();
    table(&["TENANT", "TOPIC", "PARTITIONS", "UNASSIGNED", "NODES"], &rows)
}

pub(super) fn partitions(all: &Partitions) -> String {
    let rows: Vec<_> = all.partitions.iter().map(partition).collect();
    let headings = [
        "TENANT",
        "TOPIC",
        "PARTITION",
        "NODE",
        "EPOCH",
        "LEAVES",
        "PIN",
        "IN/S",
        "OUT/S",
        "REQUESTS/S",
    ];
    let mut text = table(&headings, &rows);
    if all.left_out > 0 {
        text.push_str(&format!("and {} more; ask by --topic or --node\n", all.left_out));
    }
    text
}

fn partition(info: &PartitionInfo) -> Vec<String> {
    let number = |value: Option<i32>| value.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let mut row = vec![
        info.tenant.to_string(),
        info.topic.clone(),
        info.partition.to_string(),
        number(info.node),
        number(info.epoch),
        number(info.moving_from),
        number(info.pin),
    ];
    row.extend(traffic(info.traffic.as_ref()));
    row
}

pub(super) fn moves(moves: &MovesInfo) -> String {
    let under_way = moves.under_way.iter().map(|it| move_row(it, "moves"));
    let next = moves.next.iter().map(|it| move_row(it, "waits"));
    let done =
        moves.done.iter().rev().map(|it| {
            move_row(it, if it.served == Some(true) { "done" } else { "not served yet" })
        });
    let rows: Vec<_> = under_way.chain(next).chain(done).collect();
    let headings = ["STATE", "TENANT", "TOPIC", "PARTITION", "FROM", "TO", "REASON", "SECONDS"];
    let mut text = table(&headings, &rows);
    text.push_str(&format!("{} under way, {} waiting\n", moves.under_way.len(), moves.waiting));
    text
}

fn move_row(info: &MoveInfo, state: &str) -> Vec<String> {
    vec![
        state.to_owned(),
        info.tenant.to_string(),
        info.topic.clone(),
        info.partition.to_string(),
        info.from.to_string(),
        info.to.to_string(),
        info.reason.clone(),
        info.seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}")),
    ]
}

pub(super) fn pins(pins: &[PinInfo]) -> String {
    let rows = pins.iter().map(|pin| {
        let node = pin.node.map_or_else(|| "-".to_owned(), |node| node.to_string());
        vec![pin.tenant.to_string(), pin.topic.clone(), pin.partition.to_string(), node]
    });
    table(&["TENANT", "TOPIC", "PARTITION", "NODE"], &rows.collect::<Vec<_>>())
}

#[cfg(test)]
pub(super) mod tests {
    use control::api::model::NodeLoadInfo;

    use super::*;

    pub(in crate::admin) fn node(node: i32) -> NodeInfo {
        NodeInfo {
            node,
            state: "up".to_owned(),
            duty: "draining".to_owned(),
            weight: 100,
            zone: String::new(),
            front: "disk".to_owned(),
            address: "10.0.0.3:9701".to_owned(),
            incarnation: 7,
            clock_is_wrong: false,
            partitions: 12,
            load: None,
            stuck: None,
        }
    }

    #[test]
    fn a_node_s_row_says_what_is_known_and_what_is_wrong() {
        let traffic = TrafficInfo { bytes_in: 2 << 20, bytes_out: 0, requests: 40 };
        let load = NodeLoadInfo { serving: 11, traffic, cpu: 0.254, memory_bytes: 1 << 30 };
        let known = NodeInfo { load: Some(load), ..node(3) };
        let stuck = NodeInfo { stuck: Some("nobody takes them".to_owned()), ..node(4) };
        let text = nodes(&[known, stuck]);
        let lines: Vec<&str> = text.lines().collect();
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(
            words,
            [
                "3", "up", "draining", "100", "-", "disk", "12", "11", "2.00", "MiB", "0", "B",
                "40", "25", "%", "1.00", "GiB"
            ]
        );
        assert!(lines[3].contains("node 4 cannot be emptied: nobody takes them"), "{text}");
    }
}
