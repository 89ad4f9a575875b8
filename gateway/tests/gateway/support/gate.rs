//! Holds answers back until a test lets them go.

use tokio::sync::watch;

/// Open at first.
#[derive(Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(true))
    }

    pub(crate) fn close(&self) {
        self.0.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits while the gate is closed.
    pub(crate) fn passed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut open = self.0.subscribe();
        async move { drop(open.wait_for(|open| *open).await) }
    }
}
