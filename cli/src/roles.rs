//! The roles as processes of their own: start up, run until SIGTERM or failure.

use anyhow::{Context as _, Result};
use hop::Role;
use metadata::Over;

use crate::background::Background;
use crate::files::{ColdReaderFile, CompactorFile, ControlFile, GatewayFile, StorageNodeFile};
use crate::startup::{
    Process, announce, join, load_keys, open_metadata, open_store, start_compactor,
    wait_for_partitions, warn_if_plain,
};

/// `thermocline gateway`.
pub(crate) async fn gateway(file: GatewayFile) -> Result<()> {
    let process = Process::start("gateway", &file.http, &file.log).await?;
    let gate = process.readiness.gate("gateway");
    let metadata = open_metadata(&file.metadata).await?;
    let member = join(metadata, Role::Gateway, &file.cluster, &process.plumbing).await?;
    let over = member.over();
    let background = Background::start().context("cannot start the background runtime")?;
    let deps = gateway::Deps {
        clock: process.clock.clone(),
        metadata: member.metadata,
        view: member.view,
        peers: member.peers,
        background: background.handle().clone(),
    };
    let gateway = gateway::start(file.gateway, deps, process.front_door.clone()).await?;
    gate.open();
    let over = async {
        let over = over.await;
        // The clients' name leads to the other site, or soon will: nobody is served here again.
        if over == Over::TakenOver {
            gateway.send_clients_away().await;
        }
        over
    };
    process.run_until_told(over).await
}

/// `thermocline storage-node`.
pub(crate) async fn storage_node(file: StorageNodeFile) -> Result<()> {
    let process = Process::start("storage-node", &file.http, &file.log).await?;
    let gate = process.readiness.gate("storage-node");
    warn_if_plain(&file.cluster, "storage_node.listen", &file.storage_node.listen);
    let store = open_store(&file.store, "storage-node").await?;
    let metadata = open_metadata(&file.metadata).await?;
    let member = join(metadata, Role::StorageNode, &file.cluster, &process.plumbing).await?;
    load_keys(&process, &member, &store, &file.encryption).await?;
    let over = member.over();
    let deps = storage_node::Deps {
        clock: process.clock.clone(),
        metadata: member.metadata,
        view: member.view,
        store,
        disks: storage_node::Disks::machine(),
        peers: member.peers,
    };
    let node = storage_node::start(file.storage_node, deps, process.roles.clone()).await?;
    wait_for_partitions(&node).await;
    gate.open();
    process.run_until(over, node.finished()).await
}

/// `thermocline cold-reader`.
pub(crate) async fn cold_reader(file: ColdReaderFile) -> Result<()> {
    let process = Process::start("cold-reader", &file.http, &file.log).await?;
    let gate = process.readiness.gate("cold-reader");
    let listen = file.cold_reader.listen.to_string();
    warn_if_plain(&file.cluster, "cold_reader.listen", &listen);
    let store = open_store(&file.store, "cold-reader").await?;
    let metadata = open_metadata(&file.metadata).await?;
    let member = join(metadata, Role::ColdReader, &file.cluster, &process.plumbing).await?;
    load_keys(&process, &member, &store, &file.encryption).await?;
    let over = member.over();
    let deps = cold_reader::Deps {
        peers: member.peers,
        metadata: member.metadata,
        view: member.view,
        store,
    };
    let _reader = cold_reader::start(file.cold_reader, deps, process.roles.clone()).await?;
    gate.open();
    process.run_until_told(over).await
}

/// `thermocline compactor`.
pub(crate) async fn compactor(file: CompactorFile) -> Result<()> {
    let process = Process::start("compactor", &file.http, &file.log).await?;
    let gate = process.readiness.gate("compactor");
    let store = open_store(&file.store, "compactor").await?;
    let metadata = open_metadata(&file.metadata).await?;
    let member = join(metadata, Role::Compactor, &file.cluster, &process.plumbing).await?;
    load_keys(&process, &member, &store, &file.encryption).await?;
    let over = member.over();
    announce(&process, &member, Role::Compactor);
    start_compactor(&process, &member, &store, file.compactor)?;
    gate.open();
    process.run_until_told(over).await
}

/// `thermocline control`.
pub(crate) async fn control(file: ControlFile) -> Result<()> {
    let process = Process::start("control", &file.http, &file.log).await?;
    let gate = process.readiness.gate("control");
    warn_if_plain(&file.cluster, "control.listen", &file.control.listen.to_string());
    let store = open_store(&file.store, "control").await?;
    let metadata = open_metadata(&file.metadata).await?;
    if let Some(standby) = &file.control.standby {
        let followed = control::stand_by(standby, &metadata, &store, || gate.open());
        let Some(promoted) = process.unless_told(followed).await? else { return Ok(()) };
        promoted?;
    }
    let releases = file.cluster.releases()?;
    control::bootstrap_within(releases, &file.control, &process.clock, &*metadata, &store).await?;
    let member = join(metadata, Role::Control, &file.cluster, &process.plumbing).await?;
    announce(&process, &member, Role::Control);
    let over = member.over();
    let deps = control::Deps {
        clock: process.clock.clone(),
        metadata: member.metadata,
        view: member.view,
        store,
        peers: member.peers,
        keeper: file.encryption.wrapper(),
    };
    let _control = control::start(file.control, deps, process.roles.clone()).await?;
    gate.open();
    process.run_until_told(over).await
}
