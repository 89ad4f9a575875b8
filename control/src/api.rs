//! The admin API: what operators ask of the leader and tell it, as JSON over HTTP.
//!
//! ```text
//! http ──token──► routes ──┬─ read:  answers, from the view, the load reports and the board
//!                          └─ write: a command to the term, or an order to balance or for a switch
//! ```
//!
//! It listens inside the cluster's network only, and takes nobody without the cluster's token; over
//! TLS also nobody without the certificate of an operator or of control (R57). Any control process may be asked; one that does not lead names the one that does. [`model`] has the
//! JSON. Kafka's own administration (topics, configs, groups) is not here: clients' tools do it.

mod answers;
mod http;
pub mod model;
mod routes;
mod sets;

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use hop::ClusterTls;
use metadata::ClusterView;
use process::net::Listener;
use process::{Drain, Net};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::{
    balance::{self, board::Board},
    desk::Desk,
    dns,
    load::Loads,
    server::Gate,
};

/// The `[control.admin]` table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Whether there is an admin API. Default: true.
    pub enabled: bool,
    /// Where it listens. Keep it inside the cluster's network: it is encrypted with `[cluster.tls]`
    /// only. Default: any free port of the address that `control.listen` names; `thermocline`
    /// commands learn it from the metadata store.
    pub listen: Option<SocketAddr>,
    /// What commands connect to, `host:port`, when it differs from `listen`. Default: the address it
    /// listens on; where that is all addresses, the host of `control.advertised`.
    pub advertised: Option<String>,
}

/// What the API answers from. One for the process, whether it leads or not.
pub(crate) struct Api {
    pub(crate) control_id: String,
    pub(crate) view: ClusterView,
    pub(crate) gate: Gate,
    pub(crate) moves: Desk<balance::orders::Order>,
    pub(crate) loads: Loads,
    pub(crate) board: Board,
    pub(crate) switches: Desk<dns::Order>,
    pub(crate) sets: dns::Board,
    /// What is said about a node is read, changed and written: one after the other.
    pub(crate) writes: Mutex<()>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { enabled: true, listen: None, advertised: None }
    }
}

impl AdminConfig {
    /// Listens, if it is to. `control` is the address of the internal port, `host_port` what others
    /// are told of that.
    pub(crate) async fn listen(
        &self,
        control: SocketAddr,
        host_port: &str,
        net: &Net,
    ) -> Result<Option<Door>, (SocketAddr, std::io::Error)> {
        if !self.enabled {
            return Ok(None);
        }
        let address = self.listen.unwrap_or_else(|| SocketAddr::new(control.ip(), 0));
        let failed = |cause| (address, cause);
        let listener = net.listen(&address.to_string()).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let reached = match host_port.rsplit_once(':') {
            Some((host, _)) if bound.ip().is_unspecified() => format!("{host}:{}", bound.port()),
            _ => bound.to_string(),
        };
        let advertised = self.advertised.clone().unwrap_or(reached);
        Ok(Some(Door { listener, advertised }))
    }
}

/// A port that was bound.
pub(crate) struct Door {
    listener: Listener,
    /// What others connect to.
    pub(crate) advertised: String,
}

impl Door {
    /// Answers until the drain begins.
    pub(crate) fn open(self, api: Arc<Api>, secret: &[u8], tls: Option<ClusterTls>, drain: &Drain) {
        let entrance = http::Entrance { api, token: admin_token(secret), tls };
        let serve = http::serve(self.listener, Arc::new(entrance), drain.clone());
        drain.spawn("control admin API", serve);
    }
}

/// What a caller proves with that it belongs to the cluster: derived from the cluster's secret, so
/// that whoever may read the metadata store may administer, and nothing of the secret leaves.
pub fn admin_token(secret: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, b"thermocline admin API 1");
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request's status and body, as [`http`] has them from the routes.
#[cfg(test)]
pub(crate) async fn answer(
    api: &Api,
    method: &hyper::Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> (u16, Vec<u8>) {
    let answer = routes::answer(api, method, path, query, body).await;
    (answer.status.as_u16(), answer.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_stable_and_another_cluster_has_another() {
        let token = admin_token(&[7; 32]);
        assert_eq!(token.len(), 64);
        assert_eq!(token, admin_token(&[7; 32]));
        assert_ne!(token, admin_token(&[8; 32]));
    }

    async fn advertised(listen: &str, config: AdminConfig) -> (String, u16) {
        let control = listen.parse().expect("an address");
        let door = config.listen(control, "10.0.0.10:9700", &Net::system()).await;
        let door = door.expect("a free port").expect("it is enabled");
        let port = door.listener.local_addr().expect("it is bound").port();
        (door.advertised, port)
    }

    /// Goal: a process that listens on all addresses, as in a container, is found from elsewhere.
    #[tokio::test]
    async fn commands_are_told_of_an_address_that_they_can_connect_to() {
        let (told, port) = advertised("0.0.0.0:9700", AdminConfig::default()).await;
        assert_eq!(told, format!("10.0.0.10:{port}"));
        let (told, port) = advertised("127.0.0.1:9700", AdminConfig::default()).await;
        assert_eq!(told, format!("127.0.0.1:{port}"));
        let config = AdminConfig { advertised: Some("c:1".to_owned()), ..AdminConfig::default() };
        assert_eq!(advertised("0.0.0.0:9700", config).await.0, "c:1");
    }
}
