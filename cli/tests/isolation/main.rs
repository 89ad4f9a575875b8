//! Nothing that a tenant is answered tells whether another one exists (R56).
//!
//! Two clusters are asked the same at random. In one of them a second tenant does the same kinds of
//! things at the same time, under the same names: topics, groups, members, transactional ids, users,
//! entries of access control lists; and each of the two tries ids of the other's topics, members and
//! producers, where the lonely tenant of the first cluster makes some up. The answers must be equal
//! to the last field and of the same length; only ids that the cluster chose and times are left out.
//!
//! Nothing may depend on how long the test takes: timeouts are longer than it, and answers that tell
//! clients to come again are not compared. Reads of the object store are not part of this test.
//!
//! `ISOLATION_CALLS` sets the number of calls (CI: 5,000).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod dice;
mod groups;
mod names;
mod records;
mod settings;
mod topics;
mod transactions;
mod trespass;
mod wire;
mod world;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::world::{Belongings, World};

/// The tenant that is watched, and the one that may be there.
const TENANTS: [&str; 2] = ["one", "other"];

const CALLS: usize = 5_000;

/// Something at random, and what is answered.
async fn step(world: &mut World) -> String {
    match world.dice.roll(40) {
        0 | 1 => topics::create(world).await,
        2 => topics::delete(world).await,
        3 => topics::grow(world).await,
        4 | 5 => topics::metadata(world).await,
        6 => topics::describe(world).await,
        7 => topics::cluster(world).await,
        8 | 9 => records::append(world).await,
        10..=12 => records::append_idempotently(world).await,
        13..=15 => records::fetch(world).await,
        16 => records::list_offsets(world).await,
        17 => records::end_of_epoch(world).await,
        18 => records::delete(world).await,
        19 => groups::join(world).await,
        20 => groups::sync(world).await,
        21 => groups::heartbeat(world).await,
        22 => groups::leave(world).await,
        23 => groups::commit(world).await,
        24 => groups::offsets(world).await,
        25 => groups::delete_offsets(world).await,
        26 => groups::administer(world).await,
        27 | 28 => groups::consume(world).await,
        29 => transactions::init_any(world).await,
        30 => transactions::add_partitions(world).await,
        31 | 32 => transactions::append(world).await,
        33 => transactions::commit_offsets(world).await,
        34 => transactions::end(world).await,
        35 => transactions::administer(world).await,
        36 => settings::configs(world).await,
        37 => settings::client_quotas(world).await,
        38 => settings::credentials(world).await,
        _ => settings::acls(world).await,
    }
    world.told()
}

#[tokio::test]
async fn no_answer_tells_whether_another_tenant_exists() {
    let calls = std::env::var("ISOLATION_CALLS").ok().and_then(|calls| calls.parse().ok());
    let calls: usize = calls.unwrap_or(CALLS);
    let quiet = Cluster::start(&TENANTS[..1], &TENANTS).await;
    let busy = Cluster::start(&TENANTS, &TENANTS).await;
    let nobody = Arc::new(Mutex::new(Belongings::default()));
    let [own, watched, others] = [(), (), ()].map(|()| Arc::new(Mutex::new(Belongings::default())));
    let mut alone = World::connect(quiet.addresses[0], Dice(1), &own, &nobody).await;
    let mut beside = World::connect(busy.addresses[0], Dice(1), &watched, &others).await;
    let mut other = World::connect(busy.addresses[1], Dice(2), &others, &watched).await;
    for world in [&mut other, &mut alone, &mut beside] {
        records::prepare(world).await;
    }
    let mut answers = HashSet::new();
    for call in 0..calls {
        let (expected, told, _) =
            tokio::join!(step(&mut alone), step(&mut beside), step(&mut other));
        assert_eq!(told, expected, "call {call}");
        answers.insert(expected);
    }
    assert!(answers.len() > 100, "the same few answers prove nothing: {}", answers.len());
    quiet.end().await;
    busy.end().await;
}
