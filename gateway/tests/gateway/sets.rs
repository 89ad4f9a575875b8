//! Gateway sets: clients see the active one, under the same broker ids, and are sent there.

use metadata::Txn;
use metadata::gateway_sets::{ActiveSet, Cause};
use metadata::keys::Key;
use metadata::model::Record;
use protocol::ErrorCode;
use protocol::messages::MetadataRequest;

use crate::support::{Cluster, Gateway, eventually};

async fn activate(cluster: &Cluster, set: &str, generation: u64, applied: bool) {
    let active = ActiveSet {
        set: set.to_owned(),
        generation,
        applied,
        cause: Cause::Failover,
        since_ms: 0,
        grace_ms: 0,
        barred: Vec::new(),
    };
    let put = Txn::new().put(Key::ActiveSet, active.encode());
    assert!(cluster.store.txn(put).await.unwrap().is_committed());
}

async fn gateway(cluster: &Cluster, broker_id: i32, set: &str, slot: i32) -> Gateway {
    cluster
        .gateway_with(broker_id, |config| {
            set.clone_into(&mut config.set);
            config.slot = Some(slot);
        })
        .await
}

/// The ids and ports that a client is shown.
async fn shown(gateway: &Gateway) -> Vec<(i32, i32)> {
    let request = MetadataRequest::default().with_topics(None);
    let answer = gateway.client().await.call(12, request).await;
    answer.brokers.iter().map(|broker| (broker.node_id.0, broker.port)).collect()
}

#[tokio::test]
async fn clients_are_shown_the_active_set_under_the_same_ids_wherever_they_ask() {
    let cluster = Cluster::start().await;
    let primary =
        [gateway(&cluster, 11, "primary", 1).await, gateway(&cluster, 12, "primary", 2).await];
    let standby =
        [gateway(&cluster, 21, "standby", 1).await, gateway(&cluster, 22, "standby", 2).await];
    let of = |set: &[Gateway; 2]| {
        let ports = [set[0].address.port().into(), set[1].address.port().into()];
        vec![(1, ports[0]), (2, ports[1])]
    };
    for gateway in primary.iter().chain(&standby) {
        eventually("all gateways are known", || gateway.view.gateways().len() == 4).await;
    }
    assert_eq!(shown(&primary[0]).await, of(&primary), "nobody switches sets: each its own");
    assert_eq!(shown(&standby[0]).await, of(&standby));
    activate(&cluster, "primary", 1, true).await;
    eventually("the switch is known", || standby[0].view.active_set().is_some()).await;
    assert_eq!(shown(&standby[0]).await, of(&primary));
    for gateway in primary {
        gateway.drain.begin();
    }
    eventually("the primary set is gone", || standby[0].view.gateways().len() == 2).await;
    assert_eq!(shown(&standby[0]).await, of(&standby), "rather than nobody");
}

#[tokio::test]
async fn the_set_that_was_left_says_so_and_closes_and_serves_who_comes_back() {
    let cluster = Cluster::start().await;
    let primary = gateway(&cluster, 11, "primary", 1).await;
    let _standby = gateway(&cluster, 21, "standby", 1).await;
    activate(&cluster, "primary", 1, true).await;
    eventually("the set is active", || primary.view.active_set().is_some()).await;
    let mut client = primary.client().await;
    let ask = || MetadataRequest::default().with_topics(None);
    assert_eq!(client.call(13, ask()).await.error_code, 0);
    activate(&cluster, "standby", 2, true).await;
    let told = loop {
        // Whatever it is that ends this: the answer, never a connection that ends without one.
        let code = client.call(13, ask()).await.error_code;
        if code != 0 {
            break code;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(told, ErrorCode::RebootstrapRequired.code());
    client.closed().await;
    let mut again = primary.client().await;
    assert_eq!(again.call(13, ask()).await.error_code, 0, "its resolver knows no better");
}
