//! Every process is restarted in turn, with little load: `make drill DRILL=rolling` has more of it.

use thermocline_tests::cluster::FrontKind;
use thermocline_tests::drill;

/// Bytes per second.
const RATE: u64 = 1 << 20;

#[test]
fn everybody_is_restarted_and_no_client_hears_of_it() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let outcome = drill::rolling(dir.path(), FrontKind::Disk, RATE).expect("the drill runs");
    assert!(outcome.wrong.is_empty(), "{:?}", outcome.wrong);
}
