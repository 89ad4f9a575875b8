//! Property: whatever is appended and whenever the power goes, what comes back is a prefix of what
//! was appended, whole, and everything acknowledged is in it.

use std::sync::Arc;

use proptest::prelude::*;

use super::harness::{Fault, FaultIo, Recorder, all, entry, logged, recover_image, start};
use crate::wal::{Front, FrontError, Lsn, LsnRange};

/// What the driver does next.
#[derive(Debug, Clone)]
enum Action {
    /// Appends an entry with a batch of this size.
    Append(usize),
    /// Waits until all is answered.
    Wait,
    /// Trims this share of what is committed, in 256ths.
    Trim(u8),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (61_usize..20_000).prop_map(Action::Append),
        6 => (61_usize..2_000).prop_map(Action::Append),
        3 => Just(Action::Wait),
        2 => any::<u8>().prop_map(Action::Trim),
    ]
}

/// What was appended, and up to where it was trimmed.
#[derive(Default)]
struct History {
    appended: Vec<(LsnRange, usize)>,
    trimmed: Lsn,
}

/// Runs `actions` until the file fails or they are over. The front is gone afterwards.
fn run(io: &Arc<FaultIo>, writers: usize, actions: &[Action], recorder: &Arc<Recorder>) -> History {
    let front = start(io, writers);
    let mut history = History::default();
    for action in actions {
        match *action {
            Action::Append(bytes) => {
                let offset = history.appended.len();
                match front.append(entry(offset as i64, bytes, recorder)) {
                    Ok(lsn) => history.appended.push((lsn, bytes)),
                    Err(FrontError::Full { .. } | FrontError::Poisoned(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Action::Wait => {
                while recorder.told().len() < history.appended.len() {
                    // Small rings can let in more than they have room for at once.
                    if front.usage().used_share() > 0.8 {
                        history.trimmed = recorder.committed_end();
                        front.trim(history.trimmed);
                    }
                    std::thread::yield_now();
                }
            }
            Action::Trim(share) => {
                let upto = recorder.committed_end().0 * u64::from(share) / 256;
                let whole = history.appended.iter().rfind(|(lsn, _)| lsn.end.0 <= upto);
                let upto = whole.map_or(Lsn(0), |(lsn, _)| lsn.end);
                history.trimmed = history.trimmed.max(upto);
                front.trim(upto);
            }
        }
    }
    history
}

proptest! {
    #[test]
    fn a_crash_leaves_a_prefix_with_everything_acknowledged(
        writers in 1_usize..4,
        actions in proptest::collection::vec(action(), 1..300),
        crash_at in 2_usize..250,
        landing in any::<u64>(),
    ) {
        let io = FaultIo::new(100);
        io.fail_from(crash_at, Fault::Torn(landing));
        let recorder = Recorder::new();
        let history = run(&io, writers, &actions, &recorder);
        prop_assert_eq!(recorder.told().len(), history.appended.len(), "everybody is answered");

        let recovered = recover_image(io.image()).unwrap();
        prop_assert!(recovered.start() <= history.trimmed);
        prop_assert!(recovered.end() >= recorder.committed_end(), "acknowledged and lost");
        let expected: Vec<_> = history
            .appended
            .iter()
            .enumerate()
            .filter(|(_, (lsn, _))| lsn.end > recovered.start() && lsn.end <= recovered.end())
            .map(|(at, &(lsn, bytes))| logged(lsn, at as i64, bytes))
            .collect();
        prop_assert_eq!(all(&recovered), expected);
    }
}
