//! Which of our addresses a datagram was sent to, and answering from that one: recvmsg(2) and sendmsg(2), for a socket that
//! is bound to every interface. `recvfrom` can't tell, and `sendto` leaves the choice to the routing table, which may
//! choose an address that the client never asked. See IP_PKTINFO in ip(7) and RFC 3542, section 6.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockaddrStorage, recvmsg as nix_recvmsg,
    sendmsg as nix_sendmsg, setsockopt, sockopt,
};
use rustix::fd::{AsFd, AsRawFd};

use crate::Errno;
use crate::address::{self, Address};
use crate::sockopt::set;
use crate::trace::{self, Call};

/// Where a datagram was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The address in the datagram's header.
    pub destination: IpAddr,
    /// Our own address to answer from. It differs from the destination when that was a broadcast or multicast address.
    pub answer_from: IpAddr,
    /// The interface it came in by, for an IPv6 address that is only valid there.
    interface: u32,
}

/// A datagram that has arrived, and what the kernel tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// How many bytes it brought.
    pub length: usize,
    /// Where it says that it came from.
    pub peer: SocketAddr,
    /// Where it was sent to, if the kernel was asked to tell.
    pub asked: Option<Asked>,
    /// So many datagrams this socket has had no room for up to now, if any, and if the kernel was asked to tell. It begins
    /// again at 0 after 2^32.
    pub dropped: Option<u32>,
    /// It is several datagrams of this many bytes each, glued together; the last may be shorter. See UDP_GRO in udp(7).
    pub segment: Option<usize>,
}

impl Arrival {
    /// One of which nothing was told but where it came from.
    #[inline]
    pub fn plain(length: usize, peer: SocketAddr) -> Arrival {
        Arrival { length, peer, asked: None, dropped: None, segment: None }
    }
}

/// Asks the kernel to tell with each datagram where it was sent to. `address` is what the socket is to be bound to.
///
/// Errors: as setsockopt(2).
pub fn turn_on(socket: impl AsFd, address: &SocketAddr) -> Result<(), Errno> {
    if address.is_ipv6() {
        set(&socket, "IPV6_RECVPKTINFO", 1, |socket| {
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true).map_err(errno)
        })?;
    }
    // Of a dual-stack socket too: it tells a broadcast from a datagram for us, which the IPv6 form can't.
    let v4 = set(&socket, "IP_PKTINFO", 1, |socket| setsockopt(socket, sockopt::Ipv4PacketInfo, &true).map_err(errno));
    if address.is_ipv4() { v4 } else { Ok(()) }
}

/// SO_RXQ_OVFL: asks the kernel to tell with each datagram how many it had no room for. See socket(7).
///
/// Errors: as setsockopt(2).
#[cfg(target_os = "linux")]
pub fn count_drops(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, "SO_RXQ_OVFL", 1, |socket| setsockopt(socket, sockopt::RxqOvfl, &1).map_err(errno))
}

/// As [`crate::berkeley::recvfrom`], and tells what else the kernel says of the datagram, first of all where it was sent to.
///
/// Errors: as recvfrom.
pub fn recvmsg(socket: impl AsFd, data: &mut [u8]) -> Result<Arrival, Errno> {
    let mut control = room_for_control();
    let timer = trace::start();
    let result = {
        let mut room = [IoSliceMut::new(data)];
        nix_recvmsg(socket.as_fd().as_raw_fd(), &mut room, Some(&mut control), MsgFlags::empty())
            .map(|message| arrival(&message))
            .map_err(errno)
    };
    timer.end(|| described(Call::on("recvmsg", &socket), data, &result));
    result
}

/// As [`crate::berkeley::sendto`], from the address that was asked.
///
/// Errors: as sendto, and `EINVAL` when the address is no longer ours.
pub fn sendmsg(socket: impl AsFd, data: &[u8], peer: &SocketAddr, asked: &Asked) -> Result<usize, Errno> {
    let source = Source::of(asked);
    let timer = trace::start();
    let to = SockaddrStorage::from(*peer);
    let (room, control) = ([IoSlice::new(data)], [source.control()]);
    let result = nix_sendmsg(socket.as_fd().as_raw_fd(), &room, &control, MsgFlags::empty(), Some(&to)).map_err(errno);
    timer.end(|| {
        let call = Call::on("sendmsg", &socket).sent(data, result).argument(address::show(peer));
        from(call, Some(asked)).peer((*peer).into())
    });
    result
}

/// Our own address in the kernel's form, for a datagram that is to come from there.
pub(crate) enum Source {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

impl Source {
    pub(crate) fn of(asked: &Asked) -> Source {
        match asked.answer_from {
            IpAddr::V4(from) => Source::V4(in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: in_addr { s_addr: u32::from(from).to_be() },
                ipi_addr: in_addr { s_addr: 0 },
            }),
            IpAddr::V6(from) => {
                let ipi6_ifindex = if from.is_unicast_link_local() { asked.interface } else { 0 };
                Source::V6(in6_pktinfo { ipi6_addr: in6_addr { s6_addr: from.octets() }, ipi6_ifindex })
            }
        }
    }

    /// Room for it among what else is said of a datagram.
    #[cfg(target_os = "linux")]
    pub(crate) fn room(&self) -> Vec<u8> {
        match self {
            Source::V4(_) => nix::cmsg_space!(in_pktinfo),
            Source::V6(_) => nix::cmsg_space!(in6_pktinfo),
        }
    }

    pub(crate) fn control(&self) -> ControlMessage<'_> {
        match self {
            Source::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Source::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}

/// Room for all that the kernel may tell of one datagram.
pub(crate) fn room_for_control() -> Vec<u8> {
    nix::cmsg_space!(in_pktinfo, in6_pktinfo, u32, i32)
}

/// What the kernel tells of a datagram. The IPv4 form of an address goes before the IPv6 one.
pub(crate) fn arrival(message: &RecvMsg<SockaddrStorage>) -> Arrival {
    let peer = message.address.and_then(standard).unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
    let mut arrival = Arrival::plain(message.bytes, peer);
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let ip = |addr: in_addr| IpAddr::V4(Ipv4Addr::from(u32::from_be(addr.s_addr)));
                let destination = ip(info.ipi_addr);
                // macOS leaves this empty, and expects the destination back.
                let own = Some(ip(info.ipi_spec_dst)).filter(|own| !own.is_unspecified());
                arrival.asked = Some(Asked { destination, answer_from: own.unwrap_or(destination), interface: 0 });
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let ip = IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)).to_canonical();
                let asked = Asked { destination: ip, answer_from: ip, interface: info.ipi6_ifindex };
                arrival.asked = arrival.asked.or(Some(asked));
            }
            #[cfg(target_os = "linux")]
            ControlMessageOwned::RxqOvfl(dropped) => arrival.dropped = Some(dropped),
            #[cfg(target_os = "linux")]
            ControlMessageOwned::UdpGroSegments(segment) => arrival.segment = usize::try_from(segment).ok(),
            _ => {}
        }
    }
    arrival
}

/// The call that brought a datagram, or failed to.
pub(crate) fn described<'a>(call: Call<'a>, data: &'a [u8], result: &Result<Arrival, Errno>) -> Call<'a> {
    let call = call.received(data, result.map(|arrival| arrival.length));
    let Some(arrival) = result.as_ref().ok().filter(|arrival| !Address::from(arrival.peer).is_nobody()) else {
        return call;
    };
    let call = call.argument(address::show(&arrival.peer)).peer(arrival.peer.into());
    match arrival.asked {
        Some(asked) => call.argument(format_args!("to {}", asked.destination.to_canonical())),
        None => call,
    }
}

/// The same call, with the address that the datagram comes from.
pub(crate) fn from<'a>(call: Call<'a>, asked: Option<&Asked>) -> Call<'a> {
    match asked {
        Some(asked) => call.argument(format_args!("from {}", asked.answer_from.to_canonical())),
        None => call,
    }
}

pub(crate) fn standard(storage: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}

pub(crate) fn errno(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}
