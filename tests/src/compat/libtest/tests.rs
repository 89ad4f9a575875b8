//! A log of two files of tests, and of one that died.

use super::as_events;
use crate::compat::outcome::{Outcome, outcomes, tail_of};

const LOG: &str = "\
   Compiling rdkafka v0.39.0
     Running unittests src/lib.rs (target/debug/deps/rdkafka-01)

running 0 tests

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/test_admin.rs (target/debug/deps/test_admin-02)

running 3 tests
chatter of another thread
test test_topics ... ok
test test_configs ... FAILED
test tests::test_later ... ignored, not yet

failures:

---- test_configs stdout ----

thread 'test_configs' panicked at tests/test_admin.rs:7:9:
no such config


failures:
    test_configs

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s

error: test failed, to rerun pass `--test test_admin`
     Running tests/test_dies.rs (target/debug/deps/test_dies-03)

running 2 tests
test test_first ... ok
error: test failed, to rerun pass `--test test_dies`
";

#[test]
fn tests_are_named_by_file_and_a_file_that_dies_has_failed() {
    let found: Vec<(String, Outcome)> = outcomes(&as_events(LOG)).into_iter().collect();
    let expected = [
        ("lib/ends", Outcome::Pass),
        ("test_admin/ends", Outcome::Pass),
        ("test_admin/test_configs", Outcome::Fail),
        ("test_admin/test_topics", Outcome::Pass),
        ("test_admin/tests::test_later", Outcome::Skip),
        ("test_dies/ends", Outcome::Fail),
        ("test_dies/test_first", Outcome::Pass),
    ];
    assert_eq!(found, expected.map(|(test, outcome)| (test.to_owned(), outcome)));
}

#[test]
fn a_failure_keeps_what_it_printed() {
    let tail = tail_of(&as_events(LOG), "test_admin/test_configs", 4);
    assert!(tail.contains("no such config\n"), "{tail}");
}
