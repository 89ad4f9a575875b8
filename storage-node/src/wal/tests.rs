//! Tests of fronts as a whole: what all must do, then the disk front in memory and with faults, and
//! on real files.

mod commit;
mod conformance;
mod crash;
mod damage;
mod ends;
mod files;
pub(crate) mod harness;
mod recovery;
mod room;
mod sealed;
mod speed;
