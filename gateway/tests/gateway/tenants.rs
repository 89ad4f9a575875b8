//! Tenants: found by host name or by listener.

use gateway::{ListenerConfig, UnknownHost};
use metadata::Txn;
use metadata::model::Record;
use metadata::settings::tenant::Tenant;
use metadata::settings::{SettingKey, SettingKind};
use protocol::ids::TenantId;
use protocol::messages::{MetadataRequest, MetadataResponse};
use rcgen::SanType;

use crate::support::{Authority, Client, Cluster, Gateway, TlsClient, eventually};

pub(crate) const ACME: TenantId = TenantId(2);

/// Gives a tenant its record.
pub(crate) async fn put_tenant(cluster: &Cluster, name: &str, id: TenantId, hosts: &[&str]) {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    let key = SettingKey::new(TenantId::DEFAULT, SettingKind::Tenant, name);
    let tenant = Tenant { id, hosts, is_deleted: false };
    let txn = Txn::new().put(key, tenant.encode());
    assert!(cluster.store.txn(txn).await.unwrap().is_committed());
}

/// A listener for the clients of a tenant.
pub(crate) fn listener(tenant: &str) -> ListenerConfig {
    ListenerConfig {
        name: Some(tenant.to_owned()),
        bind: "127.0.0.1:0".to_owned(),
        tenant: Some(tenant.to_owned()),
        ..ListenerConfig::default()
    }
}

/// A gateway whose certificate is that of all hosts.
async fn tls_gateway(
    cluster: &Cluster,
    authority: &Authority,
    configure: impl FnOnce(&mut ListenerConfig),
) -> Gateway {
    let dir = tempfile::tempdir().unwrap();
    let mut listener = authority.listener(dir.path());
    let names = ["localhost", "acme.example", "*.acme.example", "nobody.example"];
    let names = names.map(|name| SanType::DnsName(name.try_into().unwrap()));
    authority.issue(|params| params.subject_alt_names = names.to_vec()).write(dir.path());
    configure(&mut listener);
    let gateway = cluster.gateway_with(1, |config| config.listeners = vec![listener]).await;
    eventually("the tenant is known", || knows_tenants(&gateway)).await;
    gateway
}

fn knows_tenants(gateway: &Gateway) -> bool {
    !gateway.view.settings(TenantId::DEFAULT, SettingKind::Tenant).entries.is_empty()
}

async fn everything(client: &mut Client) -> MetadataResponse {
    client.call(12, MetadataRequest::default().with_topics(None)).await
}

fn topics(shown: &MetadataResponse) -> Vec<(&str, usize)> {
    let topics = shown.topics.iter();
    topics.map(|t| (t.name.as_ref().unwrap().as_str(), t.partitions.len())).collect()
}

#[tokio::test]
async fn over_tls_the_host_name_says_whose_client_it_is() {
    let (cluster, authority) = (Cluster::start().await, Authority::new("ca"));
    cluster.topic("orders", &[1]).await;
    cluster.control.put_topic(ACME, "orders", &[1, 2]).await;
    put_tenant(&cluster, "acme", ACME, &["acme.example"]).await;
    let gateway = tls_gateway(&cluster, &authority, |listener| {
        listener.tenant_host = Some("gw-1.{host}".to_owned());
    })
    .await;
    let client = TlsClient::new(&authority, None);
    let expected = [
        ("acme.example", 2, "gw-1.acme.example"),
        ("gw-1.acme.example", 2, "gw-1.acme.example"),
        ("localhost", 1, "localhost"),
        ("nobody.example", 1, "localhost"),
    ];
    for (host, partitions, advertised) in expected {
        let stream = client.connect_to(gateway.address, host).await.unwrap();
        let shown = everything(&mut Client::over(stream)).await;
        assert_eq!(topics(&shown), [("orders", partitions)], "{host}");
        assert_eq!(shown.brokers[0].host.as_str(), advertised, "{host}");
    }
}

#[tokio::test]
async fn a_host_name_of_nobody_is_refused_where_it_is_so_configured() {
    let (cluster, authority) = (Cluster::start().await, Authority::new("ca"));
    put_tenant(&cluster, "acme", ACME, &["acme.example"]).await;
    let gateway = tls_gateway(&cluster, &authority, |listener| {
        listener.tls.as_mut().unwrap().unknown_host = UnknownHost::Refuse;
    })
    .await;
    let client = TlsClient::new(&authority, None);
    for host in ["localhost", "nobody.example"] {
        assert!(client.connect_to(gateway.address, host).await.is_err(), "{host}");
    }
    let stream = client.connect_to(gateway.address, "acme.example").await.unwrap();
    let shown = everything(&mut Client::over(stream)).await;
    assert_eq!(shown.brokers[0].host.as_str(), "acme.example", "not another tenant's host");
}

#[tokio::test]
async fn a_listener_is_the_tenants_that_it_names() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    cluster.control.put_topic(ACME, "payments", &[1]).await;
    put_tenant(&cluster, "acme", ACME, &[]).await;
    let listeners = ["default", "acme", "nobody"].map(listener).to_vec();
    let gateway = cluster.gateway_with(1, |config| config.listeners = listeners).await;
    eventually("the tenant is known", || knows_tenants(&gateway)).await;
    for (at, topic) in [(0, "orders"), (1, "payments")] {
        let mut client = Client::connect(gateway.addresses[at]).await;
        assert_eq!(topics(&everything(&mut client).await), [(topic, 1)]);
    }
    let mut client = Client::connect(gateway.addresses[2]).await;
    client.send(12, &MetadataRequest::default().with_topics(None)).await;
    client.closed().await;
}

/// Deletes a tenant as control does: with its record.
async fn delete_tenant(cluster: &Cluster, name: &str) {
    let key = SettingKey::new(TenantId::DEFAULT, SettingKind::Tenant, name);
    assert!(cluster.store.txn(Txn::new().delete(key)).await.unwrap().is_committed());
}

#[tokio::test]
async fn the_connections_of_a_deleted_tenant_end_on_every_gateway() {
    let cluster = Cluster::start().await;
    put_tenant(&cluster, "acme", ACME, &[]).await;
    put_tenant(&cluster, "other", TenantId(3), &[]).await;
    let names = ["default", "acme", "other"];
    let mut gateways = Vec::new();
    for broker_id in [1, 2] {
        let listeners = names.map(listener).to_vec();
        gateways.push(cluster.gateway_with(broker_id, |config| config.listeners = listeners).await);
    }
    let mut clients = Vec::new();
    for gateway in &gateways {
        eventually("the tenants are known", || knows_tenants(gateway)).await;
        for address in &gateway.addresses {
            let mut client = Client::connect(*address).await;
            everything(&mut client).await;
            clients.push(client);
        }
    }
    delete_tenant(&cluster, "acme").await;
    for (at, client) in clients.iter_mut().enumerate() {
        match at % names.len() {
            1 => client.closed().await,
            _ => drop(everything(client).await),
        }
    }
    let mut late = Client::connect(gateways[0].addresses[1]).await;
    late.send(12, &MetadataRequest::default().with_topics(None)).await;
    late.closed().await;
}
