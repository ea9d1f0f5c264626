//! Which of our addresses a datagram was sent to, and answering from that one: recvmsg(2) and sendmsg(2), for a socket that
//! is bound to every interface. `recvfrom` can't tell, and `sendto` leaves the choice to the routing table, which may
//! choose an address that the client never asked. See IP_PKTINFO in ip(7) and RFC 3542, section 6.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg as nix_recvmsg, sendmsg as nix_sendmsg,
    setsockopt, sockopt,
};
use rustix::fd::{AsFd, AsRawFd};

use crate::sockopt::set;
use crate::trace::{self, Call};
use crate::{Errno, address};

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

/// As [`crate::berkeley::recvfrom`], and tells where the datagram was sent to, if the kernel says.
///
/// Errors: as recvfrom.
pub fn recvmsg(socket: impl AsFd, data: &mut [u8]) -> Result<(usize, SocketAddr, Option<Asked>), Errno> {
    let mut control = nix::cmsg_space!(in_pktinfo, in6_pktinfo);
    let timer = trace::start();
    let result = {
        let mut room = [IoSliceMut::new(data)];
        nix_recvmsg::<SockaddrStorage>(socket.as_fd().as_raw_fd(), &mut room, Some(&mut control), MsgFlags::empty())
            .map(|message| {
                let peer = message.address.and_then(standard).unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
                (message.bytes, peer, asked(message.cmsgs().into_iter().flatten()))
            })
            .map_err(errno)
    };
    timer.end(|| match result {
        Ok((length, peer, asked)) => {
            let call = Call::on("recvmsg", &socket)
                .received(data, Ok(length))
                .argument(address::show(&peer))
                .peer(peer.into());
            match asked {
                Some(asked) => call.argument(format_args!("to {}", asked.destination.to_canonical())),
                None => call,
            }
        }
        Err(errno) => Call::on("recvmsg", &socket).received(data, Err(errno)),
    });
    result
}

/// As [`crate::berkeley::sendto`], from the address that was asked.
///
/// Errors: as sendto, and `EINVAL` when the address is no longer ours.
pub fn sendmsg(socket: impl AsFd, data: &[u8], peer: &SocketAddr, asked: &Asked) -> Result<usize, Errno> {
    let (v4, v6);
    let control = match asked.answer_from {
        IpAddr::V4(from) => {
            let none = in_addr { s_addr: 0 };
            v4 = in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: in_addr { s_addr: u32::from(from).to_be() },
                ipi_addr: none,
            };
            ControlMessage::Ipv4PacketInfo(&v4)
        }
        IpAddr::V6(from) => {
            let ipi6_ifindex = if from.is_unicast_link_local() { asked.interface } else { 0 };
            v6 = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: from.octets() }, ipi6_ifindex };
            ControlMessage::Ipv6PacketInfo(&v6)
        }
    };
    let timer = trace::start();
    let to = SockaddrStorage::from(*peer);
    let result =
        nix_sendmsg(socket.as_fd().as_raw_fd(), &[IoSlice::new(data)], &[control], MsgFlags::empty(), Some(&to))
            .map_err(errno);
    timer.end(|| {
        let from = asked.answer_from.to_canonical();
        let call = Call::on("sendmsg", &socket).sent(data, result).argument(address::show(peer));
        call.argument(format_args!("from {from}")).peer((*peer).into())
    });
    result
}

/// The address that the kernel told, the IPv4 form before the IPv6 one.
fn asked(messages: impl Iterator<Item = ControlMessageOwned>) -> Option<Asked> {
    let mut asked = None;
    for message in messages {
        match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let ip = |addr: in_addr| IpAddr::V4(Ipv4Addr::from(u32::from_be(addr.s_addr)));
                let destination = ip(info.ipi_addr);
                // macOS leaves this empty, and expects the destination back.
                let own = Some(ip(info.ipi_spec_dst)).filter(|own| !own.is_unspecified());
                return Some(Asked { destination, answer_from: own.unwrap_or(destination), interface: 0 });
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let ip = IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)).to_canonical();
                asked = Some(Asked { destination: ip, answer_from: ip, interface: info.ipi6_ifindex });
            }
            _ => {}
        }
    }
    asked
}

fn standard(storage: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}

fn errno(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}
