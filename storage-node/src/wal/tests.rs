//! Tests of the disk front as a whole, in memory and with faults, and on real files.

mod commit;
mod crash;
mod damage;
mod ends;
mod files;
mod harness;
mod recovery;
mod room;
mod sealed;
mod speed;
