//! Two sites on one bucket, small: each is lost once, and comes back as the other's standby. The drill
//! of the same name has the load (`make drill DRILL=standby`).

use thermocline_tests::drill::{self, Size};

const SIZE: Size = Size { topics: 2, partitions: 3 };
const MIB_PER_SECOND: u32 = 1;

#[test]
fn a_site_takes_the_bucket_over_and_gives_it_back() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let outcome = drill::standby(dir.path(), SIZE, MIB_PER_SECOND).expect("the drill runs");
    assert!(outcome.wrong.is_empty(), "{:?}", outcome.wrong);
}
