//! How many may be inside at once, in all and from one address: so that one who takes all that he
//! gets leaves something for others.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::Mutex;

/// Places for connections. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    in_all: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    /// Of addresses that have any.
    by_address: HashMap<IpAddr, usize>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Places {
    /// So many in all, and so many of them for one address. An address is a /64 network with IPv6.
    pub fn new(in_all: usize, per_address: usize) -> Self {
        Self(Arc::new(Shared { in_all, per_address, taken: Mutex::default() }))
    }

    /// Takes a place, if there is one for this address.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let Shared { in_all, per_address, .. } = *self.0;
        let address = network(address);
        let mut taken = self.0.taken.lock();
        let of_address = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.in_all >= in_all || of_address >= per_address {
            return None;
        }
        taken.in_all += 1;
        taken.by_address.insert(address, of_address + 1);
        Some(Place { shared: Arc::clone(&self.0), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.taken.lock();
        taken.in_all -= 1;
        if let Some(of_address) = taken.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// Whom an address is: over IPv6 the network of 64 bits, for whoever has one has all of it.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_leaves_places_for_others_until_all_are_taken() {
        let places = Places::new(3, 2);
        let first = ["10.0.0.1"; 2].map(|it| places.take(address(it)).unwrap());
        assert!(places.take(address("10.0.0.1")).is_none());
        let other = places.take(address("10.0.0.2")).unwrap();
        assert!(places.take(address("10.0.0.3")).is_none(), "all are taken");
        drop(first);
        assert!(places.take(address("10.0.0.1")).is_some());
        drop(other);
        assert!(places.0.taken.lock().by_address.is_empty(), "nobody is remembered");
        assert_eq!(places.0.taken.lock().in_all, 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_ipv4_within_ipv6_is_its_own() {
        let places = Places::new(9, 1);
        let _one = places.take(address("2001:db8::1")).unwrap();
        assert!(places.take(address("2001:db8::2")).is_none());
        let _other = places.take(address("2001:db8:0:1::1")).unwrap();
        let _mapped = places.take(address("::ffff:10.0.0.1")).unwrap();
        assert!(places.take(address("10.0.0.1")).is_none());
    }
}
