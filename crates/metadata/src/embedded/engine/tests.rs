//! History and leases of the engine, with time as a number.

use super::*;
