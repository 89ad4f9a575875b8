//! What an operator has to know of keys.

use metrics::{describe_gauge, gauge};

const KEYS: &str = "tenant_keys";
const KEYS_UNAVAILABLE: &str = "tenant_keys_unavailable";

/// Describes them.
pub(crate) fn describe() {
    describe_gauge!(KEYS, "Data keys of tenants that this process has unwrapped");
    describe_gauge!(
        KEYS_UNAVAILABLE,
        "Data keys of tenants that this process cannot unwrap: their records cannot be read, and \
         if it is the current one, none are taken. Alert above 0"
    );
}

/// How many there are, and how many more there should be.
pub(crate) fn keys(here: usize, unavailable: usize) {
    gauge!(KEYS).set(here as f64);
    gauge!(KEYS_UNAVAILABLE).set(unavailable as f64);
}
