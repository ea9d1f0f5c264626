//! How many of the places for connections one address may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::address::Peer;

/// The places that are taken, by address.
pub struct Places {
    /// For one address.
    most: usize,
    taken: Mutex<HashMap<u64, usize>>,
}

impl Places {
    /// None are taken; each address may have so many.
    pub fn new(most: usize) -> Places {
        Places { most, taken: Mutex::default() }
    }

    /// Takes a place. None: this address has its share already. Processes of this machine have as many as they like.
    pub fn take(&self, peer: &Peer) -> Option<Place<'_>> {
        let Some(household) = peer.ip.map(household) else { return Some(Place(None)) };
        let mut taken = self.taken();
        let count = taken.entry(household).or_default();
        if *count == self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((self, household))))
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: of IPv6, the 64 bits that a customer of a provider gets at least. IPv4 gets a corner of the same
/// space that nobody has.
fn household(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    }
}

/// A place, given back when it is dropped.
pub struct Place<'a>(Option<(&'a Places, u64)>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some((places, household)) = self.0 else { return };
        let mut taken = places.taken();
        if let Some(count) = taken.get_mut(&household) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&household);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use common::address::Address;

    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::from(&Address::Internet(address.parse().unwrap()))
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let places = Places::new(2);
        let one = places.take(&peer("192.0.2.1:1"));
        let _two = places.take(&peer("[::ffff:192.0.2.1]:2"));
        assert!(places.take(&peer("192.0.2.1:3")).is_none(), "as IPv4 and as IPv6, it is the same");
        assert!(places.take(&peer("192.0.2.2:3")).is_some());
        drop(one);
        assert!(places.take(&peer("192.0.2.1:3")).is_some());
        assert!(places.taken.lock().unwrap().len() == 1, "who has gone is forgotten");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let places = Places::new(1);
        let _one = places.take(&peer("[2001:db8::1]:1"));
        assert!(places.take(&peer("[2001:db8::2]:1")).is_none());
        assert!(places.take(&peer("[2001:db8:0:1::1]:1")).is_some());
    }
}
