//! Metrics of control.

use std::time::Duration;

use metadata::gateway_sets::ActiveSet;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::dns::ShownSet;

const LEADER: &str = "control_leader";
const TOPICS: &str = "control_topics";
const PARTITIONS: &str = "control_partitions";
const ASSIGNED: &str = "control_partitions_assigned_total";
const REPAIRED: &str = "control_copies_repaired_total";
const TERMS: &str = "control_terms_total";
const SUPERSEDED: &str = "control_writes_superseded_total";
const SUSPECTS: &str = "control_suspects";
const EVICTIONS: &str = "control_evictions_total";
const EVICTIONS_HELD: &str = "control_evictions_held";
const WAITING: &str = "control_nodes_waited_for";
const MOVES: &str = "control_moves_total";
const MOVES_PLANNED: &str = "control_moves_planned";
const MOVES_UNDER_WAY: &str = "control_moves_under_way";
const IMBALANCE: &str = "control_load_max_over_mean";
const MOVE_SECONDS: &str = "control_move_seconds";
const SET_ACTIVE: &str = "control_gateway_set_active";
const SET_SERVES: &str = "control_gateway_set_votes_serve";
const SET_FAILS: &str = "control_gateway_set_votes_fail";
const SET_GENERATION: &str = "control_gateway_set_generation";
const SET_SWITCHES: &str = "control_gateway_set_switches_total";
const SET_STUCK: &str = "control_gateway_set_stuck";
const VANTAGE_POINTS: &str = "control_vantage_points";
const DNS_PROBLEM: &str = "control_dns_problem";
const FAILOVER_SECONDS: &str = "control_failover_seconds";
const ADMIN_REQUESTS: &str = "control_admin_requests_total";
const STANDBY: &str = "control_standby";
const STANDBY_LAG_SECONDS: &str = "control_standby_lag_seconds";

/// Registers the descriptions. Again, where a standby becomes a leader.
pub(crate) fn describe() {
    describe_gauge!(LEADER, "1 on the control process that leads, else 0");
    describe_gauge!(TOPICS, "Topics of all tenants, as the leader knows them");
    describe_gauge!(PARTITIONS, "Partitions of all topics, as the leader knows them");
    describe_counter!(ASSIGNED, "Partitions that were given to a node");
    describe_counter!(REPAIRED, "Keys of the metadata store that did not say what the log says");
    describe_gauge!(SUSPECTS, "Storage nodes that do not answer control");
    describe_counter!(EVICTIONS, "Storage nodes that were fenced");
    describe_gauge!(EVICTIONS_HELD, "Suspects that stay because too many went within a minute");
    describe_gauge!(WAITING, "Suspects whose front nobody but they can drain");
    describe_histogram!(FAILOVER_SECONDS, "From fencing a node to the end of its incarnation");
    describe_counter!(MOVES, "Partitions that moved from one live node to another");
    describe_gauge!(MOVES_PLANNED, "Partitions that are to move next");
    describe_gauge!(MOVES_UNDER_WAY, "Partitions that are moving");
    describe_gauge!(IMBALANCE, "The most loaded active node over the mean, by kind of front");
    describe_histogram!(MOVE_SECONDS, "From assigning a partition to another node until it serves");
    describe_gauge!(
        STANDBY,
        "1 while this process stands by for the cluster in its bucket, else 0"
    );
    describe_gauge!(
        STANDBY_LAG_SECONDS,
        "How old what the standby knows of the metadata log is; 0 unless it stands by"
    );
    describe_gauge!(SET_ACTIVE, "1 for the gateway set that the clients' name stands for, else 0");
    describe_gauge!(SET_SERVES, "Vantage points that produce and fetch through a gateway set");
    describe_gauge!(SET_FAILS, "Vantage points that cannot");
    describe_gauge!(SET_GENERATION, "Switches of the active gateway set so far, as in DNS");
    describe_counter!(SET_SWITCHES, "Switches that this process decided, by cause");
    describe_gauge!(SET_STUCK, "1 while the active gateway set fails and an operator must act");
    describe_gauge!(VANTAGE_POINTS, "Vantage points that say what they find");
    describe_gauge!(DNS_PROBLEM, "1 while DNS cannot be asked or changed");
    describe_counter!(TERMS, "Terms that this process began");
    describe_counter!(
        ADMIN_REQUESTS,
        "Requests to the admin API by outcome: done, refused, or denied to somebody without the token"
    );
    describe_counter!(
        SUPERSEDED,
        "Changes by this process that were refused because it did not lead any more"
    );
}

pub(crate) fn admin_request(outcome: &'static str) {
    counter!(ADMIN_REQUESTS, "outcome" => outcome).increment(1);
}

pub(crate) fn leads(leads: bool) {
    gauge!(LEADER).set(if leads { 1.0 } else { 0.0 });
}

/// How far behind the metadata log a standby is; `None` where nobody stands by any more.
pub(crate) fn stands_by(lag: Option<Duration>) {
    gauge!(STANDBY).set(if lag.is_some() { 1.0 } else { 0.0 });
    gauge!(STANDBY_LAG_SECONDS).set(lag.unwrap_or_default().as_secs_f64());
}

pub(crate) fn term_began() {
    counter!(TERMS).increment(1);
}

pub(crate) fn superseded() {
    counter!(SUPERSEDED).increment(1);
}

pub(crate) fn catalogue(topics: usize, partitions: usize) {
    gauge!(TOPICS).set(topics as f64);
    gauge!(PARTITIONS).set(partitions as f64);
}

pub(crate) fn assigned(partitions: usize) {
    counter!(ASSIGNED).increment(partitions as u64);
}

pub(crate) fn repaired(keys: usize) {
    counter!(REPAIRED).increment(keys as u64);
}

pub(crate) fn suspects(suspects: usize, held: usize, waiting: usize) {
    gauge!(SUSPECTS).set(suspects as f64);
    gauge!(EVICTIONS_HELD).set(held as f64);
    gauge!(WAITING).set(waiting as f64);
}

pub(crate) fn evicted() {
    counter!(EVICTIONS).increment(1);
}

pub(crate) fn moves_planned(partitions: usize) {
    gauge!(MOVES_PLANNED).set(partitions as f64);
}

pub(crate) fn moves_under_way(partitions: usize) {
    gauge!(MOVES_UNDER_WAY).set(partitions as f64);
}

pub(crate) fn imbalance(group: &'static str, max_over_mean: f64) {
    gauge!(IMBALANCE, "front" => group).set(max_over_mean);
}

pub(crate) fn moved(took: Duration) {
    counter!(MOVES).increment(1);
    histogram!(MOVE_SECONDS).record(took);
}

pub(crate) fn failed_over(took: Duration) {
    histogram!(FAILOVER_SECONDS).record(took);
}

pub(crate) fn gateway_sets(active: &ActiveSet, sets: &[ShownSet], vantages: usize, stuck: bool) {
    for set in sets {
        let is_active = set.name == active.set;
        gauge!(SET_ACTIVE, "set" => set.name.clone()).set(if is_active { 1.0 } else { 0.0 });
        gauge!(SET_SERVES, "set" => set.name.clone()).set(set.votes.serves as f64);
        gauge!(SET_FAILS, "set" => set.name.clone()).set(set.votes.fails as f64);
    }
    gauge!(SET_GENERATION).set(active.generation as f64);
    gauge!(VANTAGE_POINTS).set(vantages as f64);
    gauge!(SET_STUCK).set(if stuck { 1.0 } else { 0.0 });
}

pub(crate) fn switched(cause: &'static str) {
    counter!(SET_SWITCHES, "cause" => cause).increment(1);
}

pub(crate) fn dns_problem(is_there: bool) {
    gauge!(DNS_PROBLEM).set(if is_there { 1.0 } else { 0.0 });
}
