//! What the addresses of this machine's interfaces tell: where others reach it, and which addresses mean all of a network.

use std::net::{IpAddr, Ipv4Addr};

/// Whether what is sent to this address goes to many: one for multicast, or the broadcast address of a network that
/// this machine is in. Those end in ones only, so the system's list of networks is looked at for few.
pub fn is_for_many(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.to_bits() & 3 == 3 && is_broadcast_here(v4),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

/// A network of two addresses has none for all (RFC 3021), nor has one of a single address.
#[cfg(unix)]
fn is_broadcast_here(ip: Ipv4Addr) -> bool {
    let of = |storage: Option<nix::sys::socket::SockaddrStorage>| Some(storage?.as_sockaddr_in()?.ip().to_bits());
    let Ok(mut interfaces) = nix::ifaddrs::getifaddrs() else { return false };
    interfaces.any(|interface| {
        let (Some(own), Some(mask)) = (of(interface.address), of(interface.netmask)) else { return false };
        mask.leading_ones() <= 30 && own | !mask == ip.to_bits()
    })
}

/// Windows refuses such an address in `bind`.
#[cfg(windows)]
fn is_broadcast_here(_ip: Ipv4Addr) -> bool {
    false
}

/// An address of this machine that another one can use: the first interface's that is up, IPv4 before IPv6.
#[cfg(unix)]
pub(super) fn own_address(ipv6_too: bool) -> Option<IpAddr> {
    use nix::net::if_::InterfaceFlags;
    let mut addresses: Vec<IpAddr> = nix::ifaddrs::getifaddrs()
        .ok()?
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|interface| {
            let storage = interface.address?;
            let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|ip| match ip {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(v6) => ipv6_too && !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
        .collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.first().copied()
}

/// Windows keeps its list of interfaces in a library that isn't worth a dependency for one line.
#[cfg(windows)]
pub(super) fn own_address(_ipv6_too: bool) -> Option<IpAddr> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_many_is_told_from_one_of_this_machine() {
        for many in ["224.0.0.1", "255.255.255.255", "::ffff:224.0.0.1", "ff02::1"] {
            assert!(is_for_many(many.parse().unwrap()), "{many}");
        }
        for one in ["127.0.0.1", "0.0.0.0", "::", "192.0.2.3", "fe80::1"] {
            assert!(!is_for_many(one.parse().unwrap()), "{one}");
        }
        assert!(cfg!(windows) || is_for_many("127.255.255.255".parse().unwrap()));
    }
}
