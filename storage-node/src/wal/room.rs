//! How full a front may get (R28).
//!
//! ```text
//!   0 %                    70 %            90 %        95 %  100 %
//!   ├ everybody, at full speed ┼ throttled ─┼ internal ──┼ kept free ┤
//! ```
//!
//! The last five per cent for internal partitions keep offset commits working when clients have
//! filled the rest; what stays free absorbs padding and estimates.

use super::FrontError;

/// Shares of the capacity that may be in use after an append, in percent.
const CLIENT_PERCENT: u64 = 90;
const INTERNAL_PERCENT: u64 = 95;

/// Share of the bytes in flight that clients may take, in percent: a store that is slow must not
/// keep offset commits out either.
const CLIENT_PENDING_PERCENT: u64 = 95;

/// Whether an append may bring a front to `used_after` of `capacity` bytes. `used_bytes` are in use
/// without it, for the error.
pub(super) fn check(
    used_bytes: u64,
    used_after: u64,
    capacity_bytes: u64,
    internal: bool,
) -> Result<(), FrontError> {
    let percent = if internal { INTERNAL_PERCENT } else { CLIENT_PERCENT };
    if used_after > capacity_bytes / 100 * percent {
        return Err(FrontError::Full { used_bytes, capacity_bytes });
    }
    Ok(())
}

/// Whether `bytes` more may wait to be durable, of at most `bytes_max`. One entry always may: it could
/// be larger than the limit.
pub(super) fn check_pending(
    pending_bytes: u64,
    bytes: u64,
    bytes_max: u64,
    internal: bool,
) -> Result<(), FrontError> {
    let percent = if internal { 100 } else { CLIENT_PENDING_PERCENT };
    if pending_bytes > 0 && pending_bytes + bytes > bytes_max / 100 * percent {
        return Err(FrontError::Busy { pending_bytes });
    }
    Ok(())
}
