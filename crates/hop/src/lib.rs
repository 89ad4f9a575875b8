//! The internal hop: how gateways, storage nodes, cold readers and control ask each other.
//!
//! In: a [`HopRequest`], Kafka's own message at the one version that its API has in the release
//! that both ends behave as, or one of ours ([`internal`]). Out: the [`Response`] of the same name, or a [`HopError`] that
//! says what may be concluded. Never: retries (only the caller knows what is idempotent).
//!
//! ```text
//!   Peer::call_ordered ─ encode ─▶ lane ─▶ writer ══ TCP ══▶ reader ─ decode ─▶ Handler::call
//!                                                                                   │
//!   caller ◀──── decode ◀── reader ◀══ TCP ══ writer ◀── encode ◀── as they complete ┘
//! ```
//!
//! Requests of one lane reach the handler in the order they were called (R45); answers come
//! back as they are ready. Where both ends share a process, the call is a function call.
//!
//! Who connects proves to know the cluster's secret, and over TLS to have one of its certificates
//! ([`ClusterTls`]); its role says what it may ask (R57).
#![forbid(unsafe_code)]

mod request;

mod api;
pub mod client_version;
pub mod expected_epoch;
pub mod internal;
pub mod listed_shards;
pub mod search_from;
pub mod strict_quota;
pub mod transaction_version;
mod wire;

mod peers;

mod client;

mod access;
mod credentials;
mod identity;
mod role;
mod tls;

mod caller;
mod frame;
mod handshake;
mod secret;
mod stream;

mod server;

mod error;
pub mod limits;
mod metrics;

pub use api::{Api, Call, Request, Response};
pub use credentials::Credentials;
pub use error::HopError;
pub use identity::{Identity, IdentityError};
pub use peers::{Peer, Peers};
pub use request::{Handler, HopHeader, HopRequest, client_name};
pub use role::Role;
pub use secret::ClusterSecret;
pub use server::serve;
pub use tls::{ClusterTls, Secured, TlsError, TlsRefusal};
