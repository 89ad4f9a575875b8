//! Every process is restarted in turn, with little load: `make drill DRILL=rolling` has more of it.

use thermocline_tests::cluster::FrontKind;
use thermocline_tests::drill::{self, Upgrade};

/// Bytes per second.
const RATE: u64 = 1 << 20;

/// From the release before to this one, process by process: in between they are of both. The release
/// is finished at the end, when everybody knows it, and not before; a process of the release before is
/// refused from then on.
#[test]
fn an_upgrade_goes_through_process_by_process_and_no_client_hears_of_it() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let upgraded = drill::rolling(dir.path(), FrontKind::Disk, RATE, &Upgrade::FromCap);
    let outcome = upgraded.expect("the drill runs");
    assert!(outcome.wrong.is_empty(), "{:?}", outcome.wrong);
}
