//! One client per endpoint, and the loops that try one after the other.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use etcd_client::{Client, ConnectOptions, Error, Txn, TxnResponse};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{
    error::Failure,
    picker::Picker,
    tls::{EtcdTls, Pems},
};
use crate::limits::{ETCD_KEEP_ALIVE, ETCD_TIMEOUT};

/// The endpoints of one etcd cluster.
pub(super) struct Endpoints {
    endpoints: Vec<Endpoint>,
    picker: Mutex<Picker>,
    credentials: Option<(String, String)>,
    tls: Option<EtcdTls>,
}

struct Endpoint {
    address: String,
    /// Made on first use: with credentials a client begins by asking for a token. Held while one
    /// is made.
    connected: tokio::sync::Mutex<Option<Connected>>,
    /// It failed: its certificates may be out of date.
    failed: AtomicBool,
}

/// A client, and what it connects with.
struct Connected {
    client: Client,
    pems: Option<Arc<Pems>>,
}

impl Endpoints {
    pub(super) fn new(
        addresses: Vec<String>,
        credentials: Option<(String, String)>,
        tls: Option<EtcdTls>,
    ) -> Self {
        let first = usize::try_from(std::process::id()).unwrap_or(0);
        let picker = Mutex::new(Picker::new(addresses.len(), first));
        let endpoints = addresses.into_iter().map(|address| Endpoint {
            address,
            connected: tokio::sync::Mutex::default(),
            failed: AtomicBool::new(false),
        });
        Self { endpoints: endpoints.collect(), picker, credentials, tls }
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
                Ok(client) => return Ok((endpoint, client)),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    pub(super) fn failed(&self, endpoint: usize, why: &str) {
        let address = &self.endpoints[endpoint].address;
        tracing::debug!(address, error = why, "etcd endpoint failed");
        self.endpoints[endpoint].failed.store(true, Ordering::Relaxed);
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
            let client = self.client(endpoint).await?;
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

    async fn client(&self, endpoint: usize) -> Result<Client, Failure> {
        let endpoint = &self.endpoints[endpoint];
        let client = timeout(ETCD_TIMEOUT, self.connected(endpoint)).await;
        client.unwrap_or_else(|_| {
            Err(Failure::NotSent(format!("{}: no answer in time", endpoint.address)))
        })
    }

    /// The endpoint's client: the one that there is, unless its certificates have changed.
    async fn connected(&self, endpoint: &Endpoint) -> Result<Client, Failure> {
        let address = &endpoint.address;
        let mut connected = endpoint.connected.lock().await;
        let current = connected.as_ref();
        if let Some(current) = current.filter(|_| !endpoint.failed.load(Ordering::Relaxed)) {
            return Ok(current.client.clone());
        }
        let not_sent = |text| Failure::NotSent(format!("{address}: {text}"));
        let pems = match &self.tls {
            Some(tls) => Some(tls.read().await.map_err(not_sent)?),
            None => None,
        };
        if let Some(current) = current.filter(|current| current.pems == pems) {
            endpoint.failed.store(false, Ordering::Relaxed);
            return Ok(current.client.clone());
        }
        let options = self.options(pems.as_deref());
        let client = Client::connect([address], Some(options)).await;
        let client = client.map_err(|error| match Failure::from(error) {
            Failure::NoAnswer(text) => not_sent(text),
            other => other,
        })?;
        endpoint.failed.store(false, Ordering::Relaxed);
        *connected = Some(Connected { client: client.clone(), pems });
        Ok(client)
    }

    fn options(&self, pems: Option<&Pems>) -> ConnectOptions {
        let mut options = ConnectOptions::new()
            .with_keep_alive(ETCD_KEEP_ALIVE, ETCD_KEEP_ALIVE)
            .with_keep_alive_while_idle(true)
            .with_timeout(ETCD_TIMEOUT)
            .with_connect_timeout(ETCD_TIMEOUT)
            .with_require_leader(true);
        if let Some(pems) = pems {
            options = options.with_tls(pems.options());
        }
        match &self.credentials {
            Some((user, password)) => {
                options.with_user(user, password).with_auto_token_refresh(true)
            }
            None => options,
        }
    }
}
