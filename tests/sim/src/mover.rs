//! An operator who has partitions move between nodes, as control does it: by a change of intent in
//! the metadata store (RELIABILITY §4.6).
//!
//! Control itself moves partitions only between nodes that have been well for a while. These moves
//! come at any time, so also into crashes, failovers and other moves.

use std::sync::atomic::Ordering;
use std::time::Duration;

use metadata::keys::{self, Key};
use metadata::model::{Assignment, NodeRecord, NodeState, Record};
use metadata::{MetadataError, MetadataStore, Txn, TxnOutcome};
use protocol::ids::NodeId;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;
use turmoil::Sim;

use crate::metadata_store::Etcd;
use crate::workload::Load;
use crate::world::World;

/// Begins to move partitions, if the scenario has that.
pub fn start(sim: &mut Sim<'_>, world: &World, load: &Load) {
    let Some(pause_max) = load.scenario.moving.pause_max else { return };
    let (etcd, load) = (world.etcd.seen_from("operator"), load.clone());
    let mut rng = ChaCha8Rng::seed_from_u64(load.scenario.seed ^ 0x6d6f_7665_7273);
    sim.client("operator", async move {
        while !load.stop.load(Ordering::SeqCst) {
            sleep(rng.random_range(Duration::from_millis(100)..=pause_max)).await;
            let moved = move_one(&etcd, &mut rng, load.scenario.nodes).await;
            load.trace.line(format_args!("operator: move {moved:?}"));
        }
        Ok(())
    });
}

/// Assigns some partition, also one of the groups', to some node whose incarnation lives. `None` if
/// there is nothing to move, or the node has it.
async fn move_one(
    etcd: &Etcd,
    rng: &mut ChaCha8Rng,
    nodes: i32,
) -> Result<Option<(Key, NodeId)>, MetadataError> {
    let to = NodeId(rng.random_range(1..=nodes));
    let node = Key::Node(to);
    let assigned = etcd.list(keys::PARTITIONS).await?;
    let (Some(entry), Some(heir)) =
        (assigned.entries.choose(rng), etcd.get(&node.to_string()).await?)
    else {
        return Ok(None);
    };
    let partition = Key::parse(&entry.key).expect("a partition's key");
    let Assignment { node: from, epoch } = decode(&entry.value);
    if from == to || decode::<NodeRecord>(&heir.value).state != NodeState::Live {
        return Ok(None);
    }
    let next = Assignment { node: to, epoch: epoch + 1 };
    let txn = Txn::new()
        .when_mod(node, heir.mod_revision)
        .when_mod(partition, entry.mod_revision)
        .put(partition, next.encode());
    let committed = matches!(etcd.txn(txn).await?, TxnOutcome::Committed { .. });
    Ok(committed.then_some((partition, to)))
}

fn decode<R: Record>(value: &[u8]) -> R {
    R::decode(value).expect("the cluster's records are readable")
}
