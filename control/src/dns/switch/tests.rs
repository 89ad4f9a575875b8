//! The rules one by one, then all of them under arbitrary findings.

use metadata::gateway_sets::Finding;
use proptest::prelude::*;

use super::*;

const TICK: Duration = Duration::from_secs(1);

fn rules() -> Rules {
    Rules {
        automatic: true,
        vantage_points: 3,
        fail_after: Duration::from_secs(5),
        hold_down: Duration::from_secs(60),
        order: ["a", "b", "c"].map(str::to_owned).to_vec(),
    }
}

fn active(set: &str, generation: u64) -> ActiveSet {
    ActiveSet {
        set: set.to_owned(),
        generation,
        applied: true,
        cause: Cause::Found,
        since_ms: 0,
        grace_ms: 0,
        barred: Vec::new(),
    }
}

/// One word per vantage point, one letter per set: `+` serves, `-` fails, `?` is not spoken of.
fn findings(words: &[&str]) -> BTreeMap<String, Findings> {
    let finding = |(set, letter): (&str, char)| {
        let serves = letter == '+';
        (letter != '?').then(|| (set.to_owned(), Finding { serves, problem: String::new() }))
    };
    let of_word =
        |word: &&str| ["a", "b", "c"].into_iter().zip(word.chars()).filter_map(finding).collect();
    let named = |(index, word)| {
        (format!("v{index}"), Findings { zone: String::new(), sets: of_word(word) })
    };
    words.iter().enumerate().map(named).collect()
}

/// Looks every second; the first decision to leave, and after how many looks.
fn leaves(
    switch: &mut Switch,
    active: &ActiveSet,
    words: &[&str],
    looks: u32,
) -> Option<(u32, String)> {
    let began = Instant::now();
    (0..looks).find_map(|look| {
        match switch.look(began + TICK * look, active, Duration::ZERO, &findings(words)) {
            Decision::Leave { to } => Some((look, to)),
            Decision::Stay(_) => None,
        }
    })
}

fn after(words: &[&str]) -> Option<(u32, String)> {
    leaves(&mut Switch::new(rules()), &active("a", 1), words, 100)
}

#[test]
fn a_set_that_two_thirds_see_fail_is_left_after_a_while_for_the_next_that_serves() {
    assert_eq!(after(&["-++", "-++", "-++"]), Some((5, "b".to_owned())));
    assert_eq!(after(&["-++", "-++", "+++"]), Some((5, "b".to_owned())));
    assert_eq!(after(&["--+", "--+", "--+"]), Some((5, "c".to_owned())));
}

#[test]
fn what_half_see_fail_or_nobody_sees_stays() {
    assert_eq!(after(&["-++", "-++", "+++", "+++"]), None, "half of them are cut off");
    assert_eq!(after(&["-++", "+++", "+++"]), None);
    assert_eq!(after(&["-++", "-++"]), Some((5, "b".to_owned())), "two of three there should be");
    assert_eq!(after(&["-++"]), None, "one alone");
    assert_eq!(after(&[]), None, "silence");
    assert_eq!(after(&["-?+", "-?+", "-??"]), Some((5, "c".to_owned())), "b: nobody knows");
    assert_eq!(after(&["---", "---", "---"]), None, "nothing is better");
}

#[test]
fn a_moment_of_service_begins_the_wait_anew() {
    let mut switch = Switch::new(rules());
    let (began, active) = (Instant::now(), active("a", 1));
    for look in 0..60 {
        let words = if look % 5 == 4 { ["+++"; 3] } else { ["-++"; 3] };
        let decision = switch.look(began + TICK * look, &active, Duration::ZERO, &findings(&words));
        assert!(matches!(decision, Decision::Stay(_)), "look {look}");
    }
}

#[test]
fn after_a_switch_the_set_is_kept_and_a_barred_one_is_not_gone_back_to() {
    let next = succeed(&active("a", 1), "b", Cause::Automatic, 0);
    assert_eq!((next.generation, next.barred.as_slice()), (2, ["a".to_owned()].as_slice()));
    let mut switch = Switch::new(rules());
    assert_eq!(leaves(&mut switch, &next, &["+-+"; 3], 100), Some((60, "c".to_owned())));
    let next = succeed(&next, "c", Cause::Automatic, 0);
    assert_eq!(leaves(&mut Switch::new(rules()), &next, &["++-"; 3], 1_000), None);
}

#[test]
fn a_leader_that_comes_later_goes_on_counting() {
    let mut switch = Switch::new(rules());
    let (began, active) = (Instant::now(), active("b", 2));
    let mut look = |seconds| {
        let age = Duration::from_secs(50);
        switch.look(began + TICK * seconds, &active, age, &findings(&["+-+"; 3]))
    };
    assert_eq!(look(0), Decision::Stay(Why::NotYet));
    assert_eq!(look(9), Decision::Stay(Why::HeldDown));
    assert_eq!(look(10), Decision::Leave { to: "a".to_owned() });
}

#[test]
fn going_back_by_hand_makes_good_what_was_barred() {
    let away = succeed(&active("a", 1), "b", Cause::Failover, 0);
    assert_eq!(away.barred, ["a"]);
    let back = succeed(&away, "a", Cause::Failback, 0);
    assert_eq!((back.generation, back.barred.as_slice()), (3, [].as_slice()));
}

#[test]
fn where_only_operators_switch_nothing_happens_by_itself() {
    let mut switch = Switch::new(Rules { automatic: false, ..rules() });
    assert_eq!(leaves(&mut switch, &active("a", 1), &["-++"; 3], 100), None);
}

fn any_word() -> impl Strategy<Value = String> {
    "[+?-]{3}"
}

proptest! {
    /// Whatever vantage points say, with leaders that come and go and forget everything.
    #[test]
    fn no_findings_make_it_flap_or_go_back(
        steps in prop::collection::vec((prop::collection::vec(any_word(), 0..6), 1..20_u64, any::<bool>()), 1..200)
    ) {
        let (began, mut now) = (Instant::now(), Instant::now());
        let (mut switch, mut current) = (Switch::new(rules()), active("a", 1));
        let mut switched_at = began;
        let mut left = Vec::new();
        for (words, seconds, new_leader) in steps {
            now += Duration::from_secs(seconds);
            if new_leader {
                switch = Switch::new(rules());
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let age = now.duration_since(switched_at);
            let Decision::Leave { to } = switch.look(now, &current, age, &findings(&words)) else {
                continue;
            };
            let votes = Votes::count(&rules(), &current.set, findings(&words).values());
            prop_assert!(votes.fails * 3 >= 2 * votes.of.max(3), "without a quorum: {votes:?}");
            prop_assert!(current.generation == 1 || age >= rules().hold_down, "flapped");
            prop_assert!(!left.contains(&to) && to != current.set, "went back to {to}");
            left.push(current.set.clone());
            current = succeed(&current, &to, Cause::Automatic, 0);
            switched_at = now;
        }
        prop_assert!(left.len() < rules().order.len());
    }
}
