//! Every bound of this crate, with its source.

use std::time::Duration;

/// Compares, or operations, of one transaction: etcd's default `--max-txn-ops`.
pub const TXN_OPS_MAX: usize = 128;

/// Keys and values of one transaction. etcd's default request limit is 1.5 MiB
/// with framing, so stay well below it.
pub const TXN_BYTES_MAX: usize = 1 << 20;

/// Entries per page of an etcd list: 1,000 records of at most 2 KiB stay below
/// gRPC's 4 MiB message limit.
pub(crate) const LIST_PAGE_ENTRIES: i64 = 1000;

/// Largest gRPC message accepted from etcd. A watch that catches up sends up to
/// 1,000 revisions in one message, which may pass the default of 4 MiB.
pub(crate) const GRPC_MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Revisions kept for watchers by the embedded stores. A watcher that falls
/// further behind lists again.
pub(crate) const HISTORY_REVISIONS_MAX: usize = 4096;

/// A request that takes longer is given up: its server may be frozen.
pub(crate) const ETCD_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle connections are pinged this often, and dropped when the answer takes
/// as long again. Without it a frozen server hangs a watch for ever.
pub(crate) const ETCD_KEEP_ALIVE: Duration = Duration::from_secs(2);

/// An endpoint that failed is tried last for this long.
pub(crate) const ETCD_PENALTY: Duration = Duration::from_secs(3);

/// A transaction is only sent to an endpoint that answered this recently; an
/// older one is probed first, so that a dead server costs a probe and not an
/// unknown outcome.
pub(crate) const ETCD_FRESH: Duration = Duration::from_secs(2);

/// Pause between attempts to resume a watch.
pub(crate) const WATCH_RETRY: Duration = Duration::from_millis(200);

/// The view lists everything this often, so that a lost watch event is
/// noticed (R10).
pub(crate) const RELIST_INTERVAL: Duration = Duration::from_secs(30);

/// How often a process looks whether the store was rebuilt under it. A rebuild is to be over within
/// a minute, and a watch cannot tell: it waits for a revision that the new store has not reached.
pub(crate) const REBUILT_INTERVAL: Duration = Duration::from_secs(2);

/// How long a refresh waits for the watch before it lists by itself.
pub(crate) const REFRESH_WAIT: Duration = Duration::from_millis(250);

/// Longest value of a topic config. Most are numbers; the longest that tools write are lists of
/// throttled replicas, which have no effect here. A hundred topics with two of them fit one
/// transaction.
pub const CONFIG_VALUE_BYTES_MAX: usize = 1024;

/// Longest value of a setting. An access control entry with the longest names is below 1 KiB; a
/// hundred of the longest settings, with their keys, fit one transaction.
pub const SETTING_VALUE_BYTES_MAX: usize = 8 << 10;

/// Longest name of a setting. In keys a byte takes three at worst.
pub const SETTING_NAME_BYTES_MAX: usize = 600;

/// Principal, host and resource name of one access control entry together, which with the codes are
/// its setting's name. Names of topics are at most 249 bytes; a certificate's name takes the rest.
pub const ACL_TEXT_BYTES_MAX: usize = 570;

/// Settings of one tenant and kind. Every process holds all of them, and what is made of them is
/// made anew after each change.
pub const SETTINGS_PER_KIND_MAX: usize = 10_000;

const _: () = assert!(ACL_TEXT_BYTES_MAX + 24 <= SETTING_NAME_BYTES_MAX, "codes and lengths");
const _: () = assert!(100 * (SETTING_VALUE_BYTES_MAX + 3 * SETTING_NAME_BYTES_MAX) < TXN_BYTES_MAX);
const _: () = assert!(TXN_BYTES_MAX < 3 << 19, "below etcd's 1.5 MiB request limit");
