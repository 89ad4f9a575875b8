//! The gateway: Kafka clients on one side, Thermocline's roles on the other.
//!
//! In: connections of Kafka clients, any version of any API in [`protocol::versions`].
//! Out: hop calls to storage nodes, cold readers and control, and answers in request order.
//! Never: data at rest (no object store, no disk but for the audit log), a second try of what must not happen twice
//! (R37), a look into a record batch.
//!
//! A request passes the modules in the order below: [`accept`] takes the socket, [`connection`]
//! cuts frames, [`stack`] composes the [`layers`] in front of the [`route`]s, which call other
//! roles through [`upstream`].

#![forbid(unsafe_code)]

mod config;
mod limits;
mod metrics;
mod usage;

mod departure;
mod gateway;
mod quota;
mod registration;

mod accept;
mod connection;
mod tenants;
mod tls;

mod audit;
mod authoriser;
mod call;
mod grants;
mod layers;
mod sasl;
mod stack;
mod strangers;

mod catalogue;
mod context;
mod route;

mod background;
mod errors;
mod takeover;
mod upstream;

mod lru;
mod rendezvous;

pub use config::{
    AuditConfig, AuthorisationConfig, ClientAuth, Config, ConfigError, FetchConfig, LimitsConfig,
    ListenerConfig, PrincipalSource, Security, TenantSuperUsers, TlsConfig, TlsVersion,
    UnknownHost,
};
pub use gateway::{Deps, Handle, RoleError, run, start};
pub use registration::RegistrationError;
pub use sasl::{Mechanism, OauthConfig, SaslConfig};
pub use tls::TlsError;
