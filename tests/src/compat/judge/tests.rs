//! Every way in which a run and its list can differ.

use super::{AllowList, Run, judge};
use crate::compat::outcome::outcomes;

const LIST: &str = "# a comment\n\nfail A/x: is not built\nskip B: needs SCRAM: not here\n\
                    faults E: is about seconds\n";

/// What is wrong with a run of these events, as `ACTION TEST`.
fn wrong(events: &[&str], part: bool) -> Vec<String> {
    wrong_in(events, Run { part, faults: false })
}

fn wrong_in(events: &[&str], run: Run) -> Vec<String> {
    let log: String = events
        .iter()
        .map(|event| {
            let (action, test) = event.split_once(' ').expect("ACTION TEST");
            format!("chatter\n{{\"Action\":\"{action}\",\"Test\":\"{test}\"}}\n")
        })
        .collect();
    let list = AllowList::parse(LIST).expect("a list");
    judge(&list, &outcomes(&log), run).into_iter().map(|wrong| wrong.text).collect()
}

#[test]
fn a_run_as_the_list_says_is_good() {
    let run = ["run C", "pass C", "run A/x", "fail A/x", "fail A", "skip B"];
    assert_eq!(wrong(&run, false), [""; 0]);
}

#[test]
fn what_is_not_listed_must_pass() {
    let run = ["fail C", "skip D", "fail A/x", "fail A", "skip B"];
    assert_eq!(wrong(&run, false), ["C failed", "D was skipped"]);
}

#[test]
fn a_test_may_fail_under_faults_if_it_is_listed_so_and_only_there() {
    let faults = Run { part: true, faults: true };
    for event in ["fail E", "pass E"] {
        assert_eq!(wrong_in(&[event], faults), [""; 0], "{event}");
    }
    assert_eq!(wrong(&["fail E"], true), ["E failed"]);
    assert_eq!(wrong_in(&["fail F"], faults), ["F failed"]);
}

#[test]
fn what_is_listed_must_not_pass_or_end_otherwise() {
    assert_eq!(
        wrong(&["pass A/x", "fail B"], false),
        ["A/x passed: take it off the list", "B failed"]
    );
    assert_eq!(wrong(&["skip A/x", "skip B"], false), ["A/x was skipped"]);
}

#[test]
fn what_never_ended_failed() {
    assert_eq!(wrong(&["run C", "fail A/x", "skip B"], false), ["C failed"]);
}

#[test]
fn a_test_fails_by_itself_when_none_of_its_subtests_did() {
    assert_eq!(wrong(&["pass C/x", "fail C", "fail C2/x"], true), ["C failed", "C2/x failed"]);
}

#[test]
fn the_list_names_nothing_that_is_gone() {
    let gone = "A/x is on the list, and there is no such test";
    assert_eq!(wrong(&["pass C", "skip B"], false), [gone]);
    assert_eq!(wrong(&["pass C", "skip B"], true), [""; 0]);
}

#[test]
fn what_is_omitted_is_not_missed() {
    let list = AllowList::parse("omit A: never ends").expect("a list");
    assert_eq!(list.omitted(), ["A"]);
    assert_eq!(judge(&list, &outcomes(""), Run::default()), []);
}

#[test]
fn every_line_of_a_list_gives_a_reason() {
    for bad in ["fail A", "fail A: ", "A: why", "later A: why", "fail A: why\nomit A: why"] {
        assert!(AllowList::parse(bad).is_err(), "{bad}");
    }
}
