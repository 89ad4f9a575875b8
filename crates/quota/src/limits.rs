//! Every bound of this crate, with its source.

use std::time::Duration;

/// How long a share holds: three reports of one second, so that two may be lost (R64 asks for
/// leases of about a second; a longer one only makes a dead gateway's share idle for longer).
pub const LEASE: Duration = Duration::from_secs(3);

/// From when on a gateway that control does not answer takes its equal part. Whatever control
/// granted to others before it missed this gateway is over after two leases; half a lease more is
/// for reports on their way and clocks that do not run alike.
pub const ALONE: Duration = Duration::from_millis(7_500);

/// The part of every rate that is not divided by demand: each gateway has an equal share of it at
/// any time. All that a gateway may let through of an entity before it has asked, and all that may
/// be unused because its clients are elsewhere.
pub const FLOOR: f64 = 0.06;

/// What an idle client saves up, in seconds of its rate. Half a second is 5 % of the ten seconds
/// over which a quota must hold, and more than any client's pause between two batches.
pub const BURST: f64 = 0.5;

/// Entities that control divides for. Each takes some hundred bytes with a handful of gateways.
pub const ENTITIES_MAX: usize = 100_000;

const _: () = assert!(BURST + FLOOR < 1.0, "a tenth of ten seconds");
const _: () = assert!(ALONE.as_millis() >= 2 * LEASE.as_millis());
