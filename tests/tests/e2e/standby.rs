//! Two sites on one bucket, small: each is lost once, and comes back as the other's standby. The drill
//! of the same name has the load (`make drill DRILL=standby`).

use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, FrontKind, Role, Spec};
use thermocline_tests::drill::{self, Size};
use thermocline_tests::process::metric;
use thermocline_tests::wait::eventually;
use tokio::time::Instant;

const SIZE: Size = Size { topics: 2, partitions: 3 };
const MIB_PER_SECOND: u32 = 1;

#[test]
fn a_site_takes_the_bucket_over_and_gives_it_back() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let outcome = drill::standby(dir.path(), SIZE, MIB_PER_SECOND).expect("the drill runs");
    assert!(outcome.wrong.is_empty(), "{:?}", outcome.wrong);
}

fn site_table(site: &str) -> String {
    format!("[control.standby]\nsite = \"{site}\"\n")
}

/// The story of scale to zero: control alone stands by, and says when the others are to be started.
#[test]
fn a_site_of_which_only_control_runs_is_promoted_and_woken() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = Spec { front: FrontKind::Object, readers: 1, ..Spec::default() };
    let mut a = Cluster::start(&dir.path().join("a"), &spec).expect("the first site starts");
    a.control.add_to_config(&site_table("a")).expect("its file is written");
    let lines = Spec { control_lines: site_table("b"), ..spec };
    let mut b = a.second_site(&dir.path().join("b"), &lines).expect("the second stands by");
    let Cluster { nodes, readers, gateways, .. } = &mut b;
    nodes.iter_mut().chain(readers).chain(gateways).for_each(Role::kill);
    let stands_by = |site: &Cluster| metric(site.control.http(), "control_standby", "");
    assert_eq!(stands_by(&b).expect("a metric"), 1.0);

    Client::Python.create_topic(&a.bootstrap(), "kept", 1).expect("topic is created");
    let input = dir.path().join("input");
    std::fs::write(&input, "before\n".repeat(1_000)).expect("input is written");
    Client::Python.produce(&a.bootstrap(), "kept", 0, "none", &input).expect("produced");
    let before = Client::Python.digest(&a.bootstrap(), "kept", 0).expect("fetched");
    a.roles().for_each(Role::kill);
    a.etcd.kill();

    let began = Instant::now();
    eprint!("{}", b.run(&["promote"]).expect("it is promoted"));
    let promoted = began.elapsed();
    eventually("control says that the site serves", || stands_by(&b).is_ok_and(|it| it == 0.0));
    let told = began.elapsed();
    let Cluster { nodes, readers, gateways, .. } = &mut b;
    let mut sleepers: Vec<&mut Role> = nodes.iter_mut().chain(readers).chain(gateways).collect();
    sleepers.iter_mut().try_for_each(|role| role.spawn()).expect("they start");
    sleepers.iter_mut().try_for_each(|role| role.wait_for_ready()).expect("they are ready");
    let ready = began.elapsed();
    let after = Client::Python.digest(&b.bootstrap(), "kept", 0).expect("fetched");
    assert_eq!(after, before, "everything is there");
    Client::Python.produce(&b.bootstrap(), "kept", 0, "none", &input).expect("it serves");
    eprintln!(
        "promoted after {promoted:.1?}, said so after {told:.1?}, processes that were started then \
         ready after {ready:.1?}, records taken after {:.1?}",
        began.elapsed()
    );
}
