//! End to end: real processes, a real etcd, a real S3 server, real clients.
//!
//! `make e2e` builds what these need. Each test starts its own servers on free loopback ports in its
//! own temporary folder, so they run side by side.

mod acls;
mod admin;
mod bad_config;
mod bad_plans;
mod balance;
mod cluster;
mod cold_faults;
mod commands;
mod compacted;
mod consumer_groups;
mod control;
mod deleting;
mod dev;
mod doctor;
mod encryption;
mod etcd;
mod gateway_sets;
mod harness;
mod hostile;
mod internal_tls;
mod paused;
mod replays;
mod rolling;
mod s3_faults;
mod secured;
mod shares;
mod standby;
mod tenants;
mod times;
mod transactions;
mod transfers;
mod versions;
