//! Running a model: through every state, or until one invariant breaks.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, Expectation, Model, Property};

/// What a visit to every state found.
#[derive(Debug)]
pub struct Exploration {
    /// Distinct states.
    pub states: usize,
    /// States on the longest of the shortest ways, the first state included.
    pub depth: usize,
    /// Invariants that broke, each with actions that break it.
    pub broken: BTreeMap<&'static str, String>,
    /// Situations that the model is meant to reach and did not.
    pub unreached: Vec<&'static str>,
}

/// Visits every state, on `threads` threads.
pub fn explore<M>(model: M, threads: usize) -> Exploration
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let checker = model.checker().threads(threads).spawn_bfs().join();
    let found = checker.discoveries();
    let mut exploration = Exploration {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        broken: BTreeMap::new(),
        unreached: Vec::new(),
    };
    for Property { name, expectation, .. } in checker.model().properties() {
        match (expectation, found.get(name)) {
            (Expectation::Sometimes, None) => exploration.unreached.push(name),
            (Expectation::Always, Some(way)) => {
                exploration.broken.insert(name, format!("{:?}", way.clone().into_actions()));
            }
            _ => {}
        }
    }
    exploration
}

/// What a search for a counterexample found.
#[derive(Debug)]
pub struct Hunt<A> {
    /// Distinct states seen until then.
    pub states: usize,
    /// The shortest way to break the invariant; `None` if it holds.
    pub way: Option<Vec<A>>,
}

/// Searches breadth-first until `invariant` breaks, on one thread: the same model gives the
/// same shortest way every time.
///
/// # Panics
/// If the model has no such invariant.
pub fn hunt<M>(model: M, invariant: &'static str) -> Hunt<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    let known = model.properties().into_iter().find(|property| property.name == invariant);
    let Property { condition, .. } = known.expect("the model has an invariant of this name");
    let quarry = Quarry { model, invariant, condition };
    let checker = quarry.checker().spawn_bfs().join();
    let way = checker.discovery(invariant).map(|way| way.into_actions());
    Hunt { states: checker.unique_state_count(), way }
}

/// A model reduced to one invariant. The checker keeps the last discovery of a batch of
/// states; only when nothing else is left to discover does it stop at the first.
struct Quarry<M: Model> {
    model: M,
    invariant: &'static str,
    condition: fn(&M, &M::State) -> bool,
}

impl<M: Model> Model for Quarry<M> {
    type State = M::State;
    type Action = M::Action;

    fn init_states(&self) -> Vec<M::State> {
        self.model.init_states()
    }

    fn actions(&self, state: &M::State, actions: &mut Vec<M::Action>) {
        self.model.actions(state, actions);
    }

    fn next_state(&self, state: &M::State, action: M::Action) -> Option<M::State> {
        self.model.next_state(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let holds = |quarry: &Self, state: &M::State| (quarry.condition)(&quarry.model, state);
        vec![Property::always(self.invariant, holds)]
    }
}
