//! How many connections there may be, in all and per address, and how fast an address may open them.
//!
//! Outermost: a refused connection costs one accept and one close, no handshake and no buffer. A
//! place is given back when the connection's future ends, however it ends. Until a client is known it
//! needs a second place, among the strangers (R62).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Abortable, BoxFuture, Either, FutureExt, Ready, ready};
use parking_lot::Mutex;
use tower::{Layer, Service};

use crate::call::{Accepted, Admitted, Disconnect};
use crate::config::LimitsConfig;
#[cfg(test)]
use crate::layers::Stages;
use crate::metrics;
use crate::quota::Quotas;
use crate::strangers::{Admission, Strangers};

/// Counts connections; refuses above the limits.
#[derive(Clone)]
pub(crate) struct ConnectionLimits<S> {
    inner: S,
    places: Arc<Places>,
    strangers: Arc<Strangers>,
    quotas: Arc<Quotas>,
}

/// Puts [`ConnectionLimits`] in front of a service; all clones share the places.
#[derive(Clone)]
pub(crate) struct ConnectionLimitsLayer {
    places: Arc<Places>,
    strangers: Arc<Strangers>,
    quotas: Arc<Quotas>,
}

#[derive(Debug)]
struct Places {
    total: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Addresses without connections are not in it.
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

// === impl ConnectionLimitsLayer ===

impl ConnectionLimitsLayer {
    pub(crate) fn new(
        limits: &LimitsConfig,
        strangers: Arc<Strangers>,
        quotas: Arc<Quotas>,
    ) -> Self {
        let per_address = limits.connections_per_address.unwrap_or(limits.connections);
        let taken = Mutex::default();
        let places = Places { total: limits.connections, per_address, taken };
        Self { places: Arc::new(places), strangers, quotas }
    }
}

impl<S> Layer<S> for ConnectionLimitsLayer {
    type Service = ConnectionLimits<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { places, strangers, quotas } = self.clone();
        ConnectionLimits { inner, places, strangers, quotas }
    }
}

// === impl ConnectionLimits ===

impl<S> Service<Accepted> for ConnectionLimits<S>
where
    S: Service<Admitted, Response = (), Error = Disconnect> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = ();
    type Error = Disconnect;
    type Future = Either<Ready<Result<(), Disconnect>>, BoxFuture<'static, Result<(), Disconnect>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, accepted: Accepted) -> Self::Future {
        let address = accepted.peer.ip();
        let in_time = || match self.quotas.address(address) {
            Some(rate) if !rate.try_charge(1.0) => Err("address_rate"),
            _ => Ok(()),
        };
        let place = Places::take(&self.places, address);
        match place.and_then(|place| in_time().map(|()| place)) {
            Ok(place) => {
                let (inner, strangers) = (self.inner.clone(), Arc::clone(&self.strangers));
                Either::Right(serve(inner, strangers, accepted, place).boxed())
            }
            Err(limit) => {
                refuse(accepted.peer, limit);
                Either::Left(ready(Ok(())))
            }
        }
    }
}

#[cfg(test)]
impl<S: Stages> Stages for ConnectionLimits<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("limits");
        self.inner.stages(names);
    }
}

/// Serves a connection once there is a place among the strangers, until it ends or has to make room.
async fn serve<S>(
    mut inner: S,
    strangers: Arc<Strangers>,
    Accepted { stream, peer }: Accepted,
    _place: Place,
) -> Result<(), Disconnect>
where
    S: Service<Admitted, Response = (), Error = Disconnect>,
{
    let Some(Admission { stranger, end }) = strangers.admit(peer.ip()).await else {
        refuse(peer, "unauthenticated");
        return Ok(());
    };
    drop(strangers);
    let connection = inner.call(Admitted { stream, peer, stranger });
    match Abortable::new(connection, end).await {
        Ok(ended) => ended,
        Err(_made_room) => {
            metrics::disconnected(Disconnect::MadeRoom.reason());
            Err(Disconnect::MadeRoom)
        }
    }
}

/// Whoever connects could fill the log with it; the metric counts.
fn refuse(peer: SocketAddr, limit: &'static str) {
    metrics::refused(limit);
    tracing::debug!(%peer, limit, "connection refused");
}

// === impl Places ===

impl Places {
    /// A place, or the name of the limit that has none left.
    fn take(places: &Arc<Self>, address: IpAddr) -> Result<Place, &'static str> {
        let mut taken = places.taken.lock();
        let of_address = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.total >= places.total {
            return Err("total");
        }
        if of_address >= places.per_address {
            return Err("per_address");
        }
        taken.by_address.insert(address, of_address + 1);
        taken.total += 1;
        metrics::connections(taken.total);
        Ok(Place { places: Arc::clone(places), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(of_address) = taken.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.by_address.remove(&self.address);
            }
        }
        taken.total -= 1;
        metrics::connections(taken.total);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn places(total: usize, per_address: usize) -> Arc<Places> {
        Arc::new(Places { total, per_address, taken: Mutex::default() })
    }

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let places = places(3, 2);
        let _first = Places::take(&places, address(1)).unwrap();
        let _second = Places::take(&places, address(1)).unwrap();
        assert_eq!(Places::take(&places, address(1)).err(), Some("per_address"));
        let _other = Places::take(&places, address(2)).unwrap();
        assert_eq!(Places::take(&places, address(3)).err(), Some("total"));
    }

    #[test]
    fn an_ended_connection_gives_its_place_back() {
        let places = places(1, 1);
        drop(Places::take(&places, address(1)).unwrap());
        assert!(Places::take(&places, address(2)).is_ok());
        assert!(
            places.taken.lock().by_address.is_empty(),
            "addresses without connections are forgotten"
        );
    }
}
