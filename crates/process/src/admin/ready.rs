//! Readiness as gates: each part of a process opens its own, the process is ready when
//! all are open.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

/// The gates of one process; cheap to clone. Without gates it is ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// Gates by number of creation, so that two roles may use one name.
    gates: Arc<Mutex<BTreeMap<u64, GateState>>>,
}

#[derive(Clone, Copy, Debug)]
struct GateState {
    name: &'static str,
    open: bool,
}

/// One part's say in readiness: closed at first, and closed for good when dropped, so a
/// role that ended or panicked can not leave its process looking ready.
#[derive(Debug)]
pub struct Gate {
    readiness: Readiness,
    number: u64,
}

// === impl Readiness ===

impl Readiness {
    /// No gates yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a closed gate. `name` is shown by `/readyz` while it is closed.
    pub fn gate(&self, name: &'static str) -> Gate {
        let mut gates = self.gates.lock();
        let number = gates.last_key_value().map_or(0, |(last, _)| last + 1);
        gates.insert(number, GateState { name, open: false });
        Gate { readiness: self.clone(), number }
    }

    /// Whether every gate is open.
    pub fn is_ready(&self) -> bool {
        self.gates.lock().values().all(|gate| gate.open)
    }

    /// The names of the gates that are closed.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        self.gates.lock().values().filter(|gate| !gate.open).map(|gate| gate.name).collect()
    }
}

// === impl Gate ===

impl Gate {
    /// This part serves.
    pub fn open(&self) {
        self.set(true);
    }

    /// This part no longer serves, or not for now.
    pub fn close(&self) {
        self.set(false);
    }

    fn set(&self, open: bool) {
        if let Some(gate) = self.readiness.gates.lock().get_mut(&self.number) {
            gate.open = open;
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_every_gate_is_open() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let (gateway, node) = (readiness.gate("gateway"), readiness.gate("storage node"));
        assert_eq!(readiness.waiting_for(), ["gateway", "storage node"]);
        gateway.open();
        assert!(!readiness.is_ready());
        node.open();
        assert!(readiness.is_ready());
        gateway.close();
        assert_eq!(readiness.waiting_for(), ["gateway"]);
    }

    #[test]
    fn a_dropped_gate_stays_closed() {
        let readiness = Readiness::new();
        let gate = readiness.gate("gateway");
        gate.open();
        drop(gate);
        assert_eq!(readiness.waiting_for(), ["gateway"]);
    }

    #[test]
    fn two_gates_may_share_a_name() {
        let readiness = Readiness::new();
        let (first, _second) = (readiness.gate("listener"), readiness.gate("listener"));
        first.open();
        assert_eq!(readiness.waiting_for(), ["listener"]);
    }
}
