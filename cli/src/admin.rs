//! Operators' commands: what the cluster is made of, and where partitions are to be. They ask the
//! control leader's admin API.
//!
//! Each prints a table, or with `--json` what the API answered.

mod client;
mod drain;
mod sets;
mod show;

use anyhow::Result;
use clap::{Args, Subcommand};
use control::api::model::{
    GatewaySets, MoveRequest, MovesInfo, NodeInfo, Partitions, PinInfo, Status, TopicInfo,
    WeightRequest,
};
use serde::Serialize;

use self::client::Client;
pub(crate) use self::client::Connection;
use crate::output;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// The cluster in a few numbers.
    Status(Show),
    /// The storage nodes: state, duty, partitions, load.
    Nodes(Show),
    /// The topics, and how many of their partitions each node has.
    Topics(Show),
    /// Partitions: their nodes, load, pins, and whether they move.
    Partitions(ShowPartitions),
    /// Partitions that move, are to move, or moved of late.
    Moves(Show),
    /// Partitions that are kept on a node.
    Pins(Show),
    /// The gateway sets: which one clients are sent to, and what vantage points find of each.
    GatewaySets(Show),
    /// Send clients to another gateway set, and bar the present one until `failback`.
    Failover(sets::Failover),
    /// Send clients back to the preferred gateway set; all is well again.
    Failback(sets::Failback),
    /// Empty a node: its partitions go to others, and nothing new comes. Waits until it is empty;
    /// Ctrl-C ends the waiting, not the draining.
    Drain(Drain),
    /// Let a drained node take its share again.
    Undrain(Node),
    /// Give a node nothing new; it keeps what it has.
    Cordon(Node),
    /// Let a cordoned node take its share again.
    Uncordon(Node),
    /// Set a node's share of the load, beside those of the others; 100 is everybody's at first.
    Weight(Weight),
    /// Move one partition to a node, now. Balance may move it on; a pin keeps it.
    Move(Move),
    /// Keep a partition on a node, while that is active.
    Pin(Move),
    /// Let a partition be where balance has it.
    Unpin(Partition),
}

/// A command that shows something.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    connection: Connection,
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowPartitions {
    #[command(flatten)]
    show: Show,
    /// Of this topic only.
    #[arg(long)]
    topic: Option<String>,
    /// Of this tenant only; 0 is the system.
    #[arg(long)]
    tenant: Option<u32>,
    /// Assigned to this node only.
    #[arg(long)]
    node: Option<i32>,
}

/// A command about a node.
#[derive(Debug, Args)]
pub(crate) struct Node {
    /// The node's number.
    #[arg(allow_negative_numbers = false)]
    node: i32,
    #[command(flatten)]
    show: Show,
}

#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    node: Node,
    /// Return at once; `thermocline nodes` shows how far it is.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Weight {
    #[command(flatten)]
    node: Node,
    /// Its share.
    weight: u32,
}

/// A command about a partition.
#[derive(Debug, Args)]
pub(crate) struct Partition {
    /// The topic's name.
    topic: String,
    /// The partition's index.
    partition: i32,
    /// Whose topic; 0 for the system's own.
    #[arg(long, default_value_t = 1)]
    tenant: u32,
    #[command(flatten)]
    show: Show,
}

/// A command about a partition and a node.
#[derive(Debug, Args)]
pub(crate) struct Move {
    #[command(flatten)]
    partition: Partition,
    /// The node's number.
    #[arg(long, value_name = "NODE")]
    to: i32,
}

impl AdminCommand {
    /// Carries the command out.
    pub(crate) async fn run(self) -> Result<()> {
        match self {
            Self::Status(show) => show.get::<Status>("status", show::status).await,
            Self::Nodes(show) => show.get::<Vec<NodeInfo>>("nodes", |it| show::nodes(it)).await,
            Self::Topics(show) => show.get::<Vec<TopicInfo>>("topics", |it| show::topics(it)).await,
            Self::Moves(show) => show.get::<MovesInfo>("moves", show::moves).await,
            Self::Pins(show) => show.get::<Vec<PinInfo>>("pins", |it| show::pins(it)).await,
            Self::GatewaySets(show) => show.get::<GatewaySets>("gateway-sets", sets::table).await,
            Self::Failover(failover) => failover.run().await,
            Self::Failback(failback) => failback.run().await,
            Self::Partitions(asked) => {
                let path = asked.path();
                asked.show.get::<Partitions>(&path, show::partitions).await
            }
            Self::Drain(Drain { node, no_wait }) => drain::run(node, no_wait).await,
            Self::Undrain(node) => node.post("undrain").await,
            Self::Cordon(node) => node.post("cordon").await,
            Self::Uncordon(node) => node.post("uncordon").await,
            Self::Weight(Weight { node, weight }) => {
                let mut client = node.show.connection.open().await?;
                let path = format!("nodes/{}/weight", node.node);
                let answer = client.put(&path, &WeightRequest { weight }).await?;
                node.show.print(&answer, |it: &NodeInfo| show::nodes(std::slice::from_ref(it)))
            }
            Self::Move(Move { partition, to }) => partition.order(to).await,
            Self::Pin(Move { partition, to }) => partition.pin(Some(to)).await,
            Self::Unpin(partition) => partition.pin(None).await,
        }
    }
}

// === impl Show ===

impl Show {
    async fn get<T>(self, path: &str, table: impl FnOnce(&T) -> String) -> Result<()>
    where
        T: Serialize + serde::de::DeserializeOwned,
    {
        let answer: T = self.connection.open().await?.get(path).await?;
        self.print(&answer, table)
    }

    fn print<T: Serialize>(&self, answer: &T, table: impl FnOnce(&T) -> String) -> Result<()> {
        output::print(self.json, answer, table)
    }
}

impl ShowPartitions {
    fn path(&self) -> String {
        let pairs = [
            self.topic.as_ref().map(|topic| format!("topic={topic}")),
            self.tenant.map(|tenant| format!("tenant={tenant}")),
            self.node.map(|node| format!("node={node}")),
        ];
        let pairs: Vec<String> = pairs.into_iter().flatten().collect();
        format!("partitions?{}", pairs.join("&"))
    }
}

impl Node {
    async fn post(self, verb: &str) -> Result<()> {
        let mut client = self.show.connection.open().await?;
        let answer: NodeInfo = client.post(&format!("nodes/{}/{verb}", self.node)).await?;
        self.show.print(&answer, |it| show::nodes(std::slice::from_ref(it)))
    }
}

impl Partition {
    async fn order(self, to: i32) -> Result<()> {
        let Self { topic, partition, tenant, show } = self;
        let mut client: Client = show.connection.open().await?;
        let request = MoveRequest { tenant, topic, partition, to };
        let moves: MovesInfo = client.post_json("partitions/move", &request).await?;
        show.print(&moves, show::moves)
    }

    async fn pin(self, node: Option<i32>) -> Result<()> {
        let Self { topic, partition, tenant, show } = self;
        let mut client = show.connection.open().await?;
        let pins: Vec<PinInfo> =
            client.put("pins", &PinInfo { tenant, topic, partition, node }).await?;
        show.print(&pins, |it| show::pins(it))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: AdminCommand,
    }

    #[test]
    fn lines_are_read_as_they_are_documented() {
        let read = |line: &str| Line::try_parse_from(["x"].into_iter().chain(line.split(' ')));
        for line in [
            "status --config c.toml",
            "nodes --config c.toml --json",
            "partitions --config c.toml --topic orders --node 3",
            "drain 3 --config c.toml --no-wait",
            "weight 3 200 --config c.toml",
            "move orders 7 --to 3 --config c.toml",
            "pin orders 7 --to 3 --tenant 2 --config c.toml",
            "unpin orders 7 --config c.toml",
            "gateway-sets --config c.toml",
            "failover --config c.toml --to standby --force --dry-run",
            "failback --config c.toml --dry-run --json",
            "moves --admin 127.0.0.1:9705 --token abc",
        ] {
            assert!(read(line).is_ok(), "{line}: {:?}", read(line));
        }
        for line in ["drain --config c.toml", "move orders 7 --config c.toml", "weight 3 x"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
