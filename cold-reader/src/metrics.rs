//! Counters of the cold path.
//!
//! The handles are not kept: a role may be built before the recorder is installed.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use protocol::ids::TenantId;

use crate::progress::Used;

const FETCH_TOTAL: &str = "cold_reader_fetch_total";
const FETCH_BYTES_TOTAL: &str = "cold_reader_fetch_bytes_total";
const FETCH_ERRORS_TOTAL: &str = "cold_reader_fetch_errors_total";
const SEARCHES_TOTAL: &str = "cold_reader_searches_total";
const GET_TOTAL: &str = "cold_reader_get_total";
const GET_BYTES_TOTAL: &str = "cold_reader_get_bytes_total";
const FOOTERS_TOTAL: &str = "cold_reader_footers_total";
const CACHE_HITS_TOTAL: &str = "cold_reader_cache_hits_total";
const CACHE_MISSES_TOTAL: &str = "cold_reader_cache_misses_total";
const CACHE_EVICTIONS_TOTAL: &str = "cold_reader_cache_evictions_total";
const LOADS_GIVEN_UP_TOTAL: &str = "cold_reader_loads_given_up_total";
const PLANS_TOTAL: &str = "cold_reader_plans_total";
const MEMORY_BYTES: &str = "cold_reader_memory_bytes";
const READAHEAD_BYTES_TOTAL: &str = "cold_reader_readahead_bytes_total";
const GET_SECONDS: &str = "cold_reader_get_seconds";
const FETCH_SECONDS: &str = "cold_reader_fetch_seconds";
const GROUP_BYTES_TOTAL: &str = "cold_reader_group_bytes_total";
const GROUP_FETCHES_TOTAL: &str = "cold_reader_group_fetches_total";
const GROUP_WAIT_MILLISECONDS_TOTAL: &str = "cold_reader_group_wait_milliseconds_total";
const GROUP_CACHE_HITS_TOTAL: &str = "cold_reader_group_cache_hits_total";
const GROUP_CACHE_MISSES_TOTAL: &str = "cold_reader_group_cache_misses_total";
const GROUP_GET_TOTAL: &str = "cold_reader_group_get_total";
const GROUP_LAG_RECORDS: &str = "cold_reader_group_lag_records";
const GROUP_CAUGHT_UP_SECONDS: &str = "cold_reader_group_caught_up_seconds";

/// Registers names and units.
pub(crate) fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(FETCH_TOTAL, "Cold fetches answered");
    describe_counter!(FETCH_BYTES_TOTAL, Unit::Bytes, "Record bytes answered");
    describe_counter!(FETCH_ERRORS_TOTAL, "Cold fetches that ended in an error, by reason");
    describe_counter!(SEARCHES_TOTAL, "Searches by time answered");
    describe_counter!(GET_TOTAL, "Ranged GETs for blocks");
    describe_counter!(GET_BYTES_TOTAL, Unit::Bytes, "Bytes of ranged GETs for blocks");
    describe_counter!(FOOTERS_TOTAL, "Footers of compacted objects read");
    describe_counter!(CACHE_HITS_TOTAL, "Blocks that were there, or on their way, when wanted");
    describe_counter!(CACHE_MISSES_TOTAL, "Blocks that had to be loaded when wanted");
    describe_counter!(CACHE_EVICTIONS_TOTAL, "GETs whose blocks left the cache");
    describe_counter!(LOADS_GIVEN_UP_TOTAL, "GETs broken off because nobody wanted them");
    describe_counter!(PLANS_TOTAL, "Plans made from manifests, for partitions without owner");
    describe_gauge!(MEMORY_BYTES, Unit::Bytes, "Blocks being fetched, cached, being answered");
    describe_counter!(READAHEAD_BYTES_TOTAL, Unit::Bytes, "Bytes asked for ahead of a consumer");
    describe_histogram!(GET_SECONDS, Unit::Seconds, "Ranged GETs for blocks");
    describe_histogram!(FETCH_SECONDS, Unit::Seconds, "From a cold fetch to its first byte");
    describe_counter!(GROUP_BYTES_TOTAL, Unit::Bytes, "Record bytes answered, by group");
    describe_counter!(GROUP_FETCHES_TOTAL, "Cold fetches answered with records, by group");
    describe_counter!(GROUP_WAIT_MILLISECONDS_TOTAL, Unit::Milliseconds, "Their times, together");
    describe_counter!(GROUP_CACHE_HITS_TOTAL, "As cold_reader_cache_hits_total, by group");
    describe_counter!(GROUP_CACHE_MISSES_TOTAL, "As cold_reader_cache_misses_total, by group");
    describe_counter!(GROUP_GET_TOTAL, "Ranged GETs, by the group that wanted them first");
    describe_gauge!(GROUP_LAG_RECORDS, "Records between a group and the ends of what it replays");
    describe_gauge!(GROUP_CAUGHT_UP_SECONDS, Unit::Seconds, "Until a group will have caught up");
}

/// A fetch was answered with this many bytes of records after this time.
pub(crate) fn fetched(bytes: usize, took: Duration) {
    histogram!(FETCH_SECONDS).record(took.as_secs_f64());
    counter!(FETCH_TOTAL).increment(1);
    counter!(FETCH_BYTES_TOTAL).increment(bytes as u64);
}

/// A search by time was answered.
pub(crate) fn searched() {
    counter!(SEARCHES_TOTAL).increment(1);
}

/// A fetch failed.
pub(crate) fn failed(reason: &'static str) {
    counter!(FETCH_TOTAL).increment(1);
    counter!(FETCH_ERRORS_TOTAL, "reason" => reason).increment(1);
}

/// A ranged GET brought this many bytes in this time.
pub(crate) fn got(bytes: u64, took: Duration) {
    histogram!(GET_SECONDS).record(took.as_secs_f64());
    counter!(GET_TOTAL).increment(1);
    counter!(GET_BYTES_TOTAL).increment(bytes);
}

/// The footer of a compacted object was read.
pub(crate) fn got_footer() {
    counter!(FOOTERS_TOTAL).increment(1);
}

/// Blocks that a fetch wants, by whether they were there or on their way.
pub(crate) fn looked_up(known: usize, missing: usize) {
    counter!(CACHE_HITS_TOTAL).increment(known as u64);
    counter!(CACHE_MISSES_TOTAL).increment(missing as u64);
}

/// The blocks of one GET left the cache.
pub(crate) fn evicted() {
    counter!(CACHE_EVICTIONS_TOTAL).increment(1);
}

/// A plan was made from a manifest.
pub(crate) fn planned() {
    counter!(PLANS_TOTAL).increment(1);
}

/// Nobody wanted a load any more.
pub(crate) fn gave_up() {
    counter!(LOADS_GIVEN_UP_TOTAL).increment(1);
}

/// Bytes of blocks in memory, wherever they are.
pub(crate) fn memory(bytes: u64) {
    gauge!(MEMORY_BYTES).set(bytes as f64);
}

/// Blocks are being loaded ahead of a consumer.
pub(crate) fn read_ahead(bytes: u64) {
    counter!(READAHEAD_BYTES_TOTAL).increment(bytes);
}

/// What a group got and cost. `group` is one of a bounded number.
pub(crate) fn group_used(tenant: TenantId, group: &str, used: Used) {
    let labels = [("tenant", tenant.0.to_string()), ("group", group.to_owned())];
    for (name, value) in [
        (GROUP_BYTES_TOTAL, used.bytes),
        (GROUP_FETCHES_TOTAL, used.fetches),
        (GROUP_WAIT_MILLISECONDS_TOTAL, u64::try_from(used.waited.as_millis()).unwrap_or(u64::MAX)),
        (GROUP_CACHE_HITS_TOTAL, used.hits),
        (GROUP_CACHE_MISSES_TOTAL, used.misses),
        (GROUP_GET_TOTAL, used.gets),
    ] {
        counter!(name, &labels).increment(value);
    }
}

/// A group has so many records left, and will have read them after this time if that is foreseeable.
pub(crate) fn group_behind(tenant: TenantId, group: String, left: i64, time: Option<Duration>) {
    let tenant = tenant.0.to_string();
    let labels = [("tenant", tenant), ("group", group)];
    gauge!(GROUP_LAG_RECORDS, &labels).set(left as f64);
    let seconds = time.map_or(f64::INFINITY, |time| time.as_secs_f64());
    gauge!(GROUP_CAUGHT_UP_SECONDS, &labels).set(seconds);
}
