//! What became of datagrams that found nobody: the error queue of a socket, IP_RECVERR in ip(7) and ipv6(7). Linux only.
//!
//! Without it, the news of an ICMP message is the result of the next call, whichever that is, and of several messages only
//! the last is news. The queue has them all, and each comes with the datagram that it is about.

use std::io::IoSliceMut;
use std::net::SocketAddr;

use nix::libc::{sock_extended_err, sockaddr_in6};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use rustix::fd::{AsFd, AsRawFd};
use rustix::net::AddressFamily;

use crate::packet_info::{errno, standard};
use crate::sockopt::set;
use crate::trace::{self, Call};
use crate::{Errno, address};

/// The network's answer to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// What it says: `ECONNREFUSED` (nobody listens there), `EHOSTUNREACH`, `EMSGSIZE` …
    pub errno: Errno,
    /// With `EMSGSIZE`: how large a packet may be on the way there, all headers included.
    pub mtu: u32,
    /// So many bytes of the datagram are there.
    pub length: usize,
    /// Where it was sent to.
    pub peer: Option<SocketAddr>,
}

/// Asks the kernel to keep the queue.
///
/// Errors: as setsockopt(2).
pub fn turn_on(socket: impl AsFd, family: AddressFamily) -> Result<(), Errno> {
    match family {
        AddressFamily::INET => {
            set(socket, "IP_RECVERR", 1, |socket| setsockopt(socket, sockopt::Ipv4RecvErr, &true).map_err(errno))
        }
        AddressFamily::INET6 => {
            set(socket, "IPV6_RECVERR", 1, |socket| setsockopt(socket, sockopt::Ipv6RecvErr, &true).map_err(errno))
        }
        // In the file system everybody is told at once.
        _ => Ok(()),
    }
}

/// Takes the oldest news from the queue, and puts the beginning of its datagram into `data`: recvmsg(2) with MSG_ERRQUEUE.
///
/// Errors: `EAGAIN`: there is none.
pub fn take(socket: impl AsFd, data: &mut [u8]) -> Result<News, Errno> {
    let mut control = nix::cmsg_space!(sock_extended_err, sockaddr_in6);
    let timer = trace::start();
    let result = {
        let mut room = [IoSliceMut::new(data)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        recvmsg::<SockaddrStorage>(socket.as_fd().as_raw_fd(), &mut room, Some(&mut control), flags).map_err(errno).map(
            |message| {
                let peer = message.address.and_then(standard);
                let mut news = News { errno: Errno::IO, mtu: 0, length: message.bytes, peer };
                for told in message.cmsgs().into_iter().flatten() {
                    if let ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) =
                        told
                    {
                        news.errno = Errno::from_raw_os_error(error.ee_errno as i32);
                        news.mtu = error.ee_info;
                    }
                }
                news
            },
        )
    };
    timer.end(|| {
        let call = Call::on("recvmsg", &socket).received(data, result.map(|news| news.length));
        let Ok(News { errno, peer: Some(peer), .. }) = result else { return call };
        call.argument(address::show(&peer)).argument("MSG_ERRQUEUE").argument(trace::error_name(errno))
    });
    result
}
