//! The configuration files of a cluster's roles, and who of them has certificates.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{FrontKind, Spec};
use crate::servers::Etcd;

impl Spec {
    /// Who has a certificate, where everybody has one.
    pub fn members(&self) -> Vec<String> {
        let groups = [
            ("control", self.controls),
            ("storage-node", self.nodes),
            ("cold-reader", self.readers),
            ("gateway", self.gateways),
            ("compactor", usize::from(self.compactor.is_some())),
        ];
        let members = groups
            .into_iter()
            .flat_map(|(role, count)| (1..=count).map(move |id| format!("{role}/{id}")));
        members.chain(["etcd".to_owned()]).collect()
    }
}

/// What a role's configuration text is made of.
pub(super) struct Addresses {
    pub(super) subcommand: &'static str,
    pub(super) id: usize,
    pub(super) address: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) dir: PathBuf,
}

pub(super) fn common(role: &Addresses, etcd: &Etcd) -> String {
    let (url, tables) = (etcd.url(), etcd.tls_tables(role.subcommand, role.id));
    format!("[metadata]\nurl = \"{url}\"\n{tables}[http]\nlisten = \"{}\"\n", role.http)
}

pub(super) fn control_text(role: &Addresses, etcd: &Etcd, store: &str) -> String {
    let Addresses { id, address, .. } = role;
    format!(
        "{}{store}[control]\ncontrol_id = \"control-{id}\"\nlisten = \"{address}\"\n",
        common(role, etcd)
    )
}

pub(super) fn node_text(role: &Addresses, etcd: &Etcd, store: &str, spec: &Spec) -> String {
    let Addresses { id, address, dir, .. } = role;
    let path = format!("path = \"{}\"", dir.join("wal").display());
    let front = match spec.front {
        FrontKind::Disk => path,
        FrontKind::SharedDisk => format!("{path}\nshared = true"),
        FrontKind::Object => "kind = \"object\"".to_owned(),
    };
    format!(
        "{}{store}[storage_node]\nnode_id = {id}\nlisten = \"{address}\"\ncache_size = \"{}\"\n{}\n\
         [storage_node.upload]\ninterval = \"{}\"\n[storage_node.wal]\n{front}\nsize = \"{}\"\n",
        common(role, etcd),
        spec.hot_cache,
        spec.node_lines,
        spec.upload_interval,
        spec.wal_size
    )
}

pub(super) fn reader_text(role: &Addresses, etcd: &Etcd, store: &str) -> String {
    let Addresses { id, address, .. } = role;
    format!(
        "{}{store}[cold_reader]\nreader_id = {id}\nlisten = \"{address}\"\n",
        common(role, etcd)
    )
}

pub(super) fn gateway_text(
    role: &Addresses,
    etcd: &Etcd,
    front: Option<&SocketAddr>,
    lines: &str,
) -> String {
    let Addresses { id, address, .. } = role;
    let advertised = front.map_or_else(String::new, |front| {
        format!("advertised_host = \"{}\"\nadvertised_port = {}\n", front.ip(), front.port())
    });
    format!(
        "{}[gateway]
broker_id = {id}
{lines}
[[gateway.listeners]]
bind = \"{address}\"
{advertised}",
        common(role, etcd)
    )
}
