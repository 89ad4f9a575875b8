//! Control as the rest of the cluster sees it: requests in, metadata and OpenPartitions out.

mod acls;
mod api;
mod balance;
mod fronts;
mod harness;
mod http;
mod leaders;
mod meddled;
mod nodes;
mod placement;
mod releases;
mod stale;
mod taken_over;
mod tenants;
mod topics;
