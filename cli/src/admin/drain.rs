//! `thermocline drain`: says what is to be, then shows how far it is.

use std::time::Duration;

use anyhow::{Result, bail};
use control::api::model::NodeInfo;
use tokio::time::sleep;

use super::{Node, show};

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks with the same reason not to go on after which waiting is of no use.
const STUCK_MAX: u32 = 20;

/// Drains a node and, unless told otherwise, waits until nothing is left on it.
pub(super) async fn run(node: Node, no_wait: bool) -> Result<()> {
    let mut client = node.show.connection.open().await?;
    let path = format!("nodes/{}", node.node);
    let mut info: NodeInfo = client.post(&format!("{path}/drain")).await?;
    let (mut told, mut stuck) = (None, 0);
    while !no_wait && left(&info) > 0 {
        let progress = progress(&info);
        if told.as_ref() != Some(&progress) {
            eprintln!("{progress}");
            told = Some(progress);
        }
        stuck = if info.stuck.is_some() { stuck + 1 } else { 0 };
        if let Some(reason) = info.stuck.as_ref().filter(|_| stuck >= STUCK_MAX) {
            bail!("node {} is not empty: {reason}; it stays draining", node.node);
        }
        sleep(PAUSE).await;
        info = client.get(&path).await?;
        if info.duty != "draining" {
            bail!("somebody else made node {} {} meanwhile", node.node, info.duty);
        }
    }
    node.show.print(&info, |it| show::nodes(std::slice::from_ref(it)))
}

/// Partitions that are assigned to it or that it still serves, whichever are more.
fn left(info: &NodeInfo) -> usize {
    let serving = info.load.as_ref().map_or(0, |load| load.serving as usize);
    info.partitions.max(serving)
}

fn progress(info: &NodeInfo) -> String {
    let line = format!("node {}: {} partitions left", info.node, left(info));
    match &info.stuck {
        Some(reason) => format!("{line}; {reason}"),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use control::api::model::{NodeLoadInfo, TrafficInfo};

    use super::*;

    #[test]
    fn a_node_is_empty_when_nothing_is_assigned_and_nothing_served() {
        let traffic = TrafficInfo::default();
        let load = |serving| Some(NodeLoadInfo { serving, traffic, cpu: 0.0, memory_bytes: 0 });
        let info = |partitions, load| NodeInfo { partitions, load, ..show::tests::node(3) };
        assert_eq!(left(&info(0, load(2))), 2, "they are on their way");
        assert_eq!(left(&info(5, load(2))), 5);
        assert_eq!(left(&info(0, None)), 0);
        let stuck = NodeInfo { stuck: Some("nobody".to_owned()), ..info(5, None) };
        assert_eq!(progress(&stuck), "node 3: 5 partitions left; nobody");
    }
}
