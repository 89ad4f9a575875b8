//! Where operators' orders reach the task of the leader that carries them out.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

/// What operators may ask a task for.
pub(crate) trait Order: Send + 'static {
    /// What whoever asked is told when it is decided.
    type Answer: Send;
    /// Why nothing is done.
    type Refused: Send;

    /// Orders that may wait: operators are few.
    const QUEUED_MAX: usize;

    /// The refusal where the task does not run.
    fn closed() -> Self::Refused;
    /// The refusal where it ended before it answered.
    fn not_leading() -> Self::Refused;
}

/// How an order ended.
pub(crate) type Outcome<O> = Result<<O as Order>::Answer, <O as Order>::Refused>;

/// An order, and whoever waits to hear of it.
pub(crate) struct Asked<O: Order> {
    pub(crate) order: O,
    pub(crate) told: oneshot::Sender<Outcome<O>>,
}

/// The way to the leader's task, while it leads. Cheap to clone.
pub(crate) struct Desk<O: Order>(Way<O>);

type Way<O> = Arc<RwLock<Option<mpsc::Sender<Asked<O>>>>>;

// === impl Desk ===

impl<O: Order> Desk<O> {
    /// Lets orders through.
    pub(crate) fn open(&self) -> mpsc::Receiver<Asked<O>> {
        let (sender, orders) = mpsc::channel(O::QUEUED_MAX);
        *self.0.write() = Some(sender);
        orders
    }

    /// Refuses orders from now on.
    pub(crate) fn close(&self) {
        *self.0.write() = None;
    }

    /// Passes an order on: answers when it is decided.
    pub(crate) async fn order(&self, order: O) -> Outcome<O> {
        let (told, hears) = oneshot::channel();
        let way = self.0.read().clone().ok_or_else(O::closed)?;
        way.send(Asked { order, told }).await.map_err(|_| O::not_leading())?;
        hears.await.unwrap_or_else(|_| Err(O::not_leading()))
    }
}

impl<O: Order> Clone for Desk<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O: Order> Default for Desk<O> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Double(u32);

    impl Order for Double {
        type Answer = u32;
        type Refused = &'static str;

        const QUEUED_MAX: usize = 1;

        fn closed() -> &'static str {
            "closed"
        }

        fn not_leading() -> &'static str {
            "not leading"
        }
    }

    #[tokio::test]
    async fn an_order_is_answered_while_somebody_leads() {
        let desk = Desk::default();
        assert_eq!(desk.order(Double(1)).await, Err("closed"));
        let mut orders = desk.open();
        let (answer, ()) = tokio::join!(desk.order(Double(2)), async {
            let Asked { order, told } = orders.recv().await.unwrap();
            told.send(Ok(order.0 * 2)).unwrap();
        });
        assert_eq!(answer, Ok(4));
        let (answer, ()) = tokio::join!(desk.order(Double(3)), async {
            drop(orders.recv().await);
        });
        assert_eq!(answer, Err("not leading"), "it was taken and never answered");
        drop(orders);
        assert_eq!(desk.order(Double(4)).await, Err("not leading"));
        desk.close();
        assert_eq!(desk.order(Double(5)).await, Err("closed"));
    }
}
