//! A transactional id belongs to whoever asked last (T7, KIP-360).

use coordinator::TransactionVersion::{V1, V2};
use coordinator::{Config, Producer};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::{ListTransactionsRequest, ProducerId};

use crate::dsl::{PRODUCER_IDS, TransactionalProducer, World};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[test]
fn the_first_owner_gets_a_new_producer_id_and_the_next_one_its_next_epoch() {
    let mut world = World::new();
    let first = TransactionalProducer::ready(&mut world, V2);
    assert_eq!(first.producer, Producer { id: PRODUCER_IDS, epoch: 0 });
    let second = TransactionalProducer::ready(&mut world, V2);
    assert_eq!(second.producer, Producer { id: PRODUCER_IDS, epoch: 1 });
    world.fail_over();
    let third = TransactionalProducer::ready(&mut world, V2);
    assert_eq!(third.producer, Producer { id: PRODUCER_IDS, epoch: 2 });
}

#[test]
fn what_the_former_owner_left_open_is_aborted_first() {
    let mut world = World::new();
    let zombie = TransactionalProducer::ready(&mut world, V1);
    zombie.add(&mut world, (1, 0));
    let mut owner = zombie.clone();
    assert_eq!(owner.init(&mut world), Err(ErrorCode::ConcurrentTransactions));
    assert_eq!(owner.state(&mut world), "PrepareAbort");
    assert_eq!(world.markers[0].producer.epoch, zombie.producer.epoch + 1);
    assert_eq!(owner.init(&mut world), Err(ErrorCode::ConcurrentTransactions), "still");
    assert_eq!(world.markers.len(), 1, "and not aborted twice");
    world.write_markers();
    assert_eq!(owner.init(&mut world), Ok(()));
    assert!(owner.producer.epoch > zombie.producer.epoch);
    assert_eq!(zombie.send_end(&mut world, true), Err(ErrorCode::ProducerFenced));
}

#[test]
fn what_the_former_owner_has_decided_is_finished_first() {
    let mut world = World::new();
    let mut former = TransactionalProducer::ready(&mut world, V2);
    former.add(&mut world, (1, 0));
    former.end(&mut world, true).expect("it is open");
    let mut owner = former.clone();
    assert_eq!(owner.init(&mut world), Err(ErrorCode::ConcurrentTransactions));
    assert_eq!(former.state(&mut world), "PrepareCommit", "it stays a commit");
    world.write_markers();
    assert_eq!(owner.init(&mut world), Ok(()));
}

#[test]
fn timeouts_have_bounds() {
    let mut world = World::new();
    for timeout_ms in [0, -1, 900_001] {
        let mut producer = TransactionalProducer::new("t", V2);
        producer.timeout_ms = timeout_ms;
        assert_eq!(producer.init(&mut world), Err(ErrorCode::InvalidTransactionTimeout));
    }
    let mut longest = TransactionalProducer::new("t", V2);
    longest.timeout_ms = 900_000;
    assert_eq!(longest.init(&mut world), Ok(()));
    assert_eq!(longest.describe(&mut world).transaction_timeout_ms, 900_000);
}

#[test]
fn a_producer_that_says_who_it_was_goes_on_and_may_ask_twice() {
    let mut world = World::new();
    let mut producer = TransactionalProducer::ready(&mut world, V1);
    let before = producer.producer;
    producer.init_as(&mut world, before).expect("nobody came in between");
    let after = producer.producer;
    assert_eq!(after, Producer { epoch: before.epoch + 1, ..before });
    producer.init_as(&mut world, before).expect("its first answer was lost");
    assert_eq!(producer.producer, after, "and no epoch was skipped");
    producer.add(&mut world, (1, 0));
    let late = producer.init_as(&mut world, before);
    assert_eq!(late, Err(ErrorCode::ProducerFenced), "too late: it has begun to write since");
    assert_eq!(producer.state(&mut world), "Ongoing");
}

#[test]
fn a_producer_that_somebody_has_replaced_does_not_come_back() {
    let mut world = World::new();
    let mut zombie = TransactionalProducer::ready(&mut world, V2);
    let was = zombie.producer;
    let owner = TransactionalProducer::ready(&mut world, V2);
    owner.add(&mut world, (1, 0));
    assert_eq!(zombie.init_as(&mut world, was), Err(ErrorCode::ProducerFenced));
    assert_eq!(owner.state(&mut world), "Ongoing", "nor does it end anything");
    let nonsense = Producer { id: -1, epoch: 3 };
    assert_eq!(zombie.init_as(&mut world, nonsense), Err(ErrorCode::InvalidRequest));
}

#[test]
fn a_producer_that_starts_over_with_its_transaction_open_goes_on_after_the_abort() {
    let mut world = World::new();
    let mut producer = TransactionalProducer::ready(&mut world, V1);
    let was = producer.producer;
    producer.add(&mut world, (1, 0));
    let first = producer.init_as(&mut world, was);
    assert_eq!(first, Err(ErrorCode::ConcurrentTransactions));
    world.write_markers();
    assert_eq!(producer.init_as(&mut world, was), Ok(()));
    assert!(producer.producer.epoch > was.epoch);
}

#[test]
fn an_id_that_nobody_uses_is_forgotten() {
    let mut world = World::new();
    let idle = TransactionalProducer::ready(&mut world, V2);
    let open = TransactionalProducer { id: "open", ..idle.clone() };
    let mut open = open.clone();
    open.timeout_ms = i32::MAX;
    world.config = Config { transaction_timeout_max_ms: i32::MAX, ..Config::default() };
    world.fail_over();
    open.init(&mut world).expect("the timeout is allowed");
    open.add(&mut world, (1, 0));
    world.advance(7 * DAY_MS + 3_600_000);
    let described = idle.describe(&mut world);
    assert_eq!(described.error_code, ErrorCode::TransactionalIdNotFound.code());
    assert_eq!(idle.add(&mut world, (1, 0)), ErrorCode::InvalidProducerIdMapping);
    assert_eq!(open.state(&mut world), "Ongoing");

    let mut back = idle.clone();
    back.init_as(&mut world, idle.producer).expect("nobody can have come in between");
    assert_ne!(back.producer.id, idle.producer.id);
}

#[test]
fn without_producer_ids_a_client_comes_again() {
    let mut world = World::new();
    world.keep_producer_ids_away();
    world.fail_over();
    let mut producer = TransactionalProducer::new("t", V2);
    assert_eq!(producer.init(&mut world), Err(ErrorCode::CoordinatorLoadInProgress));
    assert!(world.log.is_empty());
}

#[test]
fn tenants_do_not_see_each_others_transactional_ids() {
    let mut world = World::new();
    let ours = TransactionalProducer::ready(&mut world, V2);
    let mut theirs = TransactionalProducer { tenant: TenantId(9), ..ours.clone() };
    let described = theirs.describe(&mut world);
    assert_eq!(described.error_code, ErrorCode::TransactionalIdNotFound.code());
    assert_eq!(theirs.add(&mut world, (1, 0)), ErrorCode::InvalidProducerIdMapping);
    theirs.init(&mut world).expect("it is free");
    assert_ne!(theirs.producer.id, ours.producer.id);
    assert_eq!(ours.add(&mut world, (1, 0)), ErrorCode::None, "nobody was fenced");
    assert_eq!(world.list_transactions(unfiltered()).transaction_states.len(), 1);
}

fn unfiltered() -> ListTransactionsRequest {
    ListTransactionsRequest::default().with_duration_filter(-1)
}

#[test]
fn transactional_ids_are_listed_by_state_producer_and_duration() {
    let mut world = World::new();
    let idle = TransactionalProducer::ready(&mut world, V2);
    let mut open = TransactionalProducer::new("open", V2);
    open.init(&mut world).expect("it is free");
    open.add(&mut world, (1, 0));
    world.advance(1_000);
    let ids = |world: &mut World, request| -> Vec<String> {
        let listed = world.list_transactions(request).transaction_states;
        listed.iter().map(|listed| listed.transactional_id.to_string()).collect()
    };
    assert_eq!(ids(&mut world, unfiltered()), ["open", "txn"]);
    let ongoing = unfiltered().with_state_filters(vec!["Ongoing".into()]);
    assert_eq!(ids(&mut world, ongoing), ["open"]);
    let of_producer = vec![ProducerId(idle.producer.id)];
    let by_producer = unfiltered().with_producer_id_filters(of_producer);
    assert_eq!(ids(&mut world, by_producer), ["txn"]);
    assert_eq!(ids(&mut world, unfiltered().with_duration_filter(999)), ["open"]);
    assert!(ids(&mut world, unfiltered().with_duration_filter(1_000)).is_empty());

    let states: Vec<StrBytes> = vec!["Dead".into(), "Nonsense".into()];
    let listed = world.list_transactions(unfiltered().with_state_filters(states));
    assert_eq!(listed.unknown_state_filters, [StrBytes::from("Nonsense")]);
    assert!(listed.transaction_states.is_empty());
}
