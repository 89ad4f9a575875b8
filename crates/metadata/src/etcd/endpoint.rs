//! One client per endpoint, and the loops that try one after the other.

use etcd_client::{Client, ConnectOptions, Error, Txn, TxnResponse};
use parking_lot::Mutex;
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout},
};

use super::{error::Failure, picker::Picker};
use crate::limits::{ETCD_KEEP_ALIVE, ETCD_TIMEOUT};

/// The endpoints of one etcd cluster.
pub(super) struct Endpoints {
    endpoints: Vec<Endpoint>,
    picker: Mutex<Picker>,
    credentials: Option<(String, String)>,
}

struct Endpoint {
    address: String,
    /// Made on first use: with credentials a client begins by asking for a token.
    client: OnceCell<Client>,
}

impl Endpoints {
    pub(super) fn new(addresses: Vec<String>, credentials: Option<(String, String)>) -> Self {
        let first = usize::try_from(std::process::id()).unwrap_or(0);
        let picker = Mutex::new(Picker::new(addresses.len(), first));
        let endpoint = |address| Endpoint { address, client: OnceCell::new() };
        Self { endpoints: addresses.into_iter().map(endpoint).collect(), picker, credentials }
    }

    /// Makes a call that may be repeated, on one endpoint after the other until one answers.
    pub(super) async fn read<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut last = Failure::NotSent("no endpoint".to_owned());
        for endpoint in self.order() {
            match self.ask(endpoint, &call).await {
                Err(failure @ (Failure::NoAnswer(_) | Failure::NotSent(_))) => last = failure,
                answered => return answered,
            }
        }
        Err(last)
    }

    /// Sends a transaction to one endpoint, once. An endpoint that has not answered lately is
    /// asked something harmless first, so that a dead server does not cost an unknown outcome.
    pub(super) async fn write(&self, txn: Txn) -> Result<TxnResponse, Failure> {
        let mut last = "no endpoint".to_owned();
        for endpoint in self.order() {
            if let Err(failure) = self.probe(endpoint).await {
                match failure {
                    Failure::NoAnswer(text) | Failure::NotSent(text) => last = text,
                    refused => return Err(refused),
                }
                continue;
            }
            let call = |client: Client| async move { client.kv_client().txn(txn).await };
            return self.ask(endpoint, call).await;
        }
        Err(Failure::NotSent(last))
    }

    /// A client for a stream of its own, whose failure is reported by [`Self::failed`].
    pub(super) async fn client_for_stream(&self) -> Result<(usize, Client), Failure> {
        let mut last = Failure::NotSent("no endpoint".to_owned());
        for endpoint in self.order() {
            match self.client(endpoint).await {
                Ok(client) => return Ok((endpoint, client.clone())),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    pub(super) fn failed(&self, endpoint: usize, why: &str) {
        let address = &self.endpoints[endpoint].address;
        tracing::debug!(address, error = why, "etcd endpoint failed");
        self.picker.lock().failed(endpoint, Instant::now());
    }

    pub(super) fn answered(&self, endpoint: usize) {
        self.picker.lock().answered(endpoint, Instant::now());
    }

    fn order(&self) -> Vec<usize> {
        self.picker.lock().order(Instant::now())
    }

    async fn probe(&self, endpoint: usize) -> Result<(), Failure> {
        if self.picker.lock().is_fresh(endpoint, Instant::now()) {
            return Ok(());
        }
        // A linearizable read: a server that lost its quorum does not pass.
        let call = |client: Client| async move { client.kv_client().get("probe", None).await };
        self.ask(endpoint, call).await.map(drop)
    }

    async fn ask<T, F>(&self, endpoint: usize, call: impl FnOnce(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let asked = async {
            let client = self.client(endpoint).await?.clone();
            call(client).await.map_err(Failure::from)
        };
        let answer = timeout(ETCD_TIMEOUT, asked)
            .await
            .unwrap_or_else(|_| Err(Failure::NoAnswer("no answer in time".to_owned())));
        match &answer {
            Err(Failure::NoAnswer(why) | Failure::NotSent(why)) => self.failed(endpoint, why),
            _ => self.answered(endpoint),
        }
        answer
    }

    async fn client(&self, endpoint: usize) -> Result<&Client, Failure> {
        let Endpoint { address, client } = &self.endpoints[endpoint];
        let connect = || Client::connect([address], Some(self.options()));
        let connected = timeout(ETCD_TIMEOUT, client.get_or_try_init(connect)).await;
        match connected {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => match Failure::from(error) {
                Failure::NoAnswer(text) => Err(Failure::NotSent(format!("{address}: {text}"))),
                other => Err(other),
            },
            Err(_) => Err(Failure::NotSent(format!("{address}: no answer in time"))),
        }
    }

    fn options(&self) -> ConnectOptions {
        let options = ConnectOptions::new()
            .with_keep_alive(ETCD_KEEP_ALIVE, ETCD_KEEP_ALIVE)
            .with_keep_alive_while_idle(true)
            .with_timeout(ETCD_TIMEOUT)
            .with_connect_timeout(ETCD_TIMEOUT)
            .with_require_leader(true);
        match &self.credentials {
            Some((user, password)) => {
                options.with_user(user, password).with_auto_token_refresh(true)
            }
            None => options,
        }
    }
}
