//! The roles, started as the binary's subcommands start them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytesize::ByteSize;
use futures::FutureExt as _;
use hop::Role;
use process::Drain;

use super::{HOP_PORT, Host, KAFKA_PORT, Kind, Place};

/// How long nodes must have been well before partitions move: runs are short.
const BALANCE_SETTLE: Duration = Duration::from_secs(1);

/// Runs a host's role until it cannot go on.
pub(super) async fn run(place: &Place, host: &Host) -> Result<()> {
    match host.kind {
        Kind::Control => control(place, host.number).await,
        Kind::Node => node(place, host.number).await,
        Kind::Reader => reader(place, host.number).await,
        Kind::Gateway => gateway(place, host.number).await,
        Kind::Compactor => compactor(place).await,
    }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

async fn control(place: &Place, number: i32) -> Result<()> {
    let drain = Drain::new();
    let mut config = control::Config::new(format!("control-{number}"));
    config.listen = any(HOP_PORT);
    config.advertised = Some(place.address());
    config.group_state_partitions = place.world.scenario.group_partitions;
    config.balance.enabled = place.world.scenario.moving.balance;
    config.balance.settle = BALANCE_SETTLE;
    config.admin.enabled = false;
    let (store, metadata) = (place.store("control"), place.metadata());
    control::bootstrap(&config, &place.clock(), &*metadata, &store).await?;
    let member = place.join(Role::Control, &drain).await?;
    let deps = control::Deps {
        clock: place.clock(),
        metadata: member.metadata,
        view: member.view,
        store,
        peers: member.peers,
        keeper: Arc::new(tenant_keys::NoWrapper),
    };
    control::run(config, deps, drain).await?;
    Ok(())
}

async fn node(place: &Place, number: i32) -> Result<()> {
    let drain = Drain::new();
    let member = place.join(Role::StorageNode, &drain).await?;
    let scenario = &place.world.scenario;
    let mut config = scenario.node_config(number);
    config.listen = any(HOP_PORT).to_string();
    config.advertised_address = Some(place.address());
    config.groups.initial_rebalance_delay = Duration::ZERO;
    let deps = storage_node::Deps {
        clock: place.clock(),
        metadata: member.metadata,
        view: member.view,
        store: place.store("storage-node"),
        disks: place.world.disks.seen_from(&place.host),
        peers: member.peers,
    };
    storage_node::run(config, deps, drain).await?;
    Ok(())
}

async fn reader(place: &Place, number: i32) -> Result<()> {
    let drain = Drain::new();
    let member = place.join(Role::ColdReader, &drain).await?;
    let mut config = cold_reader::Config::new(number);
    config.listen = any(HOP_PORT);
    config.advertised = Some(place.address());
    config.memory = ByteSize::mib(4);
    let deps = cold_reader::Deps {
        peers: member.peers,
        metadata: member.metadata,
        view: member.view,
        store: place.store("cold-reader"),
    };
    cold_reader::run(config, deps, drain).await?;
    Ok(())
}

async fn gateway(place: &Place, number: i32) -> Result<()> {
    let drain = Drain::new();
    let member = place.join(Role::Gateway, &drain).await?;
    let mut config = gateway::Config::new(number);
    config.listeners[0].bind = any(KAFKA_PORT).to_string();
    config.listeners[0].advertised_host = Some(place.host.clone());
    let deps = gateway::Deps {
        clock: place.clock(),
        metadata: member.metadata,
        view: member.view,
        peers: member.peers,
        background: tokio::runtime::Handle::current(),
    };
    gateway::run(config, deps, drain).await?;
    Ok(())
}

async fn compactor(place: &Place) -> Result<()> {
    let drain = Drain::new();
    let member = place.join(Role::Compactor, &drain).await?;
    let store = place.store("compactor");
    let log = store.clone();
    let deps = compactor::Deps {
        view: member.view,
        store,
        peers: member.peers,
        deleted_topics: Arc::new(move || {
            let log = log.clone();
            async move { control::deleted_topics(&log).await.map_err(|error| error.to_string()) }
                .boxed()
        }),
    };
    compactor::start(place.world.scenario.housekeeping.config(), deps, &drain)?;
    drain.draining().await;
    Ok(())
}
