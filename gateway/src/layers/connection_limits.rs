//! How many connections there may be, in all and per address, and how fast an address may open them.
//!
//! Outermost: a refused connection costs one accept and one close, no handshake and no buffer. A
//! place is given back when the connection's future ends, however it ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use parking_lot::Mutex;
use tower::{Layer, Service};

use crate::call::{Accepted, Disconnect};
use crate::config::LimitsConfig;
#[cfg(test)]
use crate::layers::Stages;
use crate::metrics;
use crate::quota::Quotas;

/// Counts connections; refuses above the limits.
#[derive(Clone)]
pub(crate) struct ConnectionLimits<S> {
    inner: S,
    places: Arc<Places>,
    quotas: Arc<Quotas>,
}

/// Puts [`ConnectionLimits`] in front of a service; all clones share the places.
#[derive(Clone)]
pub(crate) struct ConnectionLimitsLayer {
    places: Arc<Places>,
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
    pub(crate) fn new(limits: &LimitsConfig, quotas: Arc<Quotas>) -> Self {
        let per_address = limits.connections_per_address.unwrap_or(limits.connections);
        let taken = Mutex::default();
        let places = Places { total: limits.connections, per_address, taken };
        Self { places: Arc::new(places), quotas }
    }
}

impl<S> Layer<S> for ConnectionLimitsLayer {
    type Service = ConnectionLimits<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let (places, quotas) = (Arc::clone(&self.places), Arc::clone(&self.quotas));
        ConnectionLimits { inner, places, quotas }
    }
}

// === impl ConnectionLimits ===

impl<S> Service<Accepted> for ConnectionLimits<S>
where
    S: Service<Accepted, Response = (), Error = Disconnect>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = Disconnect;
    type Future = Either<Ready<Result<(), Disconnect>>, Occupied<S::Future>>;

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
            Ok(place) => Either::Right(Occupied {
                future: Box::pin(self.inner.call(accepted)),
                _place: place,
            }),
            Err(limit) => {
                metrics::refused(limit);
                tracing::warn!(peer = %accepted.peer, limit, "connection refused");
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

/// A connection's future and its place; both end together.
pub(crate) struct Occupied<F> {
    future: std::pin::Pin<Box<F>>,
    _place: Place,
}

impl<F: Future> Future for Occupied<F> {
    type Output = F::Output;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
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
