//! Who a client is, in as little as it takes, and how many of the places one address may have.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use common::address::{Address, show};

/// A client's address.
#[derive(Clone, Copy)]
pub struct Peer {
    ip: [u8; 16],
    port: u16,
}

impl Peer {
    /// Of a process of this machine, without an address: the other end of a socket in the file system.
    const LOCAL: Peer = Peer { ip: [0; 16], port: 0 };

    /// The address alone, as an access log has it.
    pub fn host(&self) -> String {
        if self.port == 0 { "-".to_owned() } else { IpAddr::from(self.ip).to_canonical().to_string() }
    }

    /// What counts as one address: of IPv6, the 64 bits that a customer of a provider gets at least. IPv4 gets a corner of
    /// the same space that nobody has.
    fn household(&self) -> u64 {
        let [high, low] = [0, 8].map(|at| u64::from_be_bytes(std::array::from_fn(|index| self.ip[at + index])));
        if high == 0 { low } else { high }
    }
}

impl From<&Address> for Peer {
    fn from(address: &Address) -> Peer {
        let Some(address) = address.internet() else { return Peer::LOCAL };
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Peer { ip: ip.octets(), port: address.port() }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => write!(f, "a process of this machine"),
            port => show(&SocketAddr::new(self.ip.into(), port)).fmt(f),
        }
    }
}

/// The places that are taken, by address.
pub struct Places {
    /// For one address.
    most: u32,
    taken: Mutex<HashMap<u64, u32>>,
}

impl Places {
    /// None are taken; each address may have so many.
    pub fn new(most: usize) -> Places {
        Places { most: u32::try_from(most).unwrap_or(u32::MAX), taken: Mutex::default() }
    }

    /// Takes a place. None: this address has its share already.
    pub fn take(&self, peer: &Peer) -> Option<Place<'_>> {
        let household = peer.household();
        if peer.port != 0 {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let count = taken.entry(household).or_default();
            if *count == self.most {
                return None;
            }
            *count += 1;
        }
        Some(Place { places: (peer.port != 0).then_some(self), household })
    }
}

/// A place, given back when it is dropped.
pub struct Place<'a> {
    places: Option<&'a Places>,
    household: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(places) = self.places else { return };
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.household) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.household);
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
