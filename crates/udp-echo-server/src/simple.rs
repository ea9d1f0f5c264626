//! The lecture's design: `recvfrom`, `sendto`, again.
//!
//! Its partner is `udp-echo-client`. One thread, one socket, no connections: the address that comes with each datagram is
//! all the server knows of a client, and it forgets it with the next.
//!
//! Bound to one address (`--host 127.0.0.1`), the two calls are all there is. Bound to every interface, `recvfrom` doesn't
//! tell which of this machine's addresses was asked, and `sendto` may answer from another, which a connected client never
//! sees. There `recvmsg` and `sendmsg` take their places, the same calls with room for one address more.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use common::berkeley::{OwnedFd, close, recvfrom, sendto};
use common::prefix::Prefix;
use common::signal::Stop;
use common::wait::{Interest, Wake, wait};
use common::{Errno, address, listener};

#[cfg(unix)]
use common::packet_info::{Asked, recvmsg, sendmsg};

use crate::guard::{Datagram, Guard};
use crate::tally::Tally;

/// Room for the largest datagram there is: its length field has 16 bits. What does not fit into a buffer is cut off without
/// a word, and an echo must not be.
const LARGEST_DATAGRAM_BYTES: usize = 65_535;

/// What the loop needs to know.
pub struct Server {
    /// The address the socket is bound to.
    pub local: SocketAddr,
    /// What goes before each datagram.
    pub prefix: Prefix,
    /// Whom not to answer.
    pub guard: Guard,
    /// Whether to print each datagram.
    pub verbose: bool,
}

/// Answers datagrams until the server is asked to stop, and returns the account of it. No datagram ends the loop: not an
/// empty one, and not one that can't be answered.
///
/// Errors: the socket itself is broken.
pub fn serve(socket: OwnedFd, mut server: Server, stop: &Stop) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut buffer = server.prefix.buffer(LARGEST_DATAGRAM_BYTES);
    let prefix_bytes = server.prefix.as_bytes().len();
    let everywhere = cfg!(unix) && server.local.ip().is_unspecified();
    while let Wake::Ready(_) = wait(&socket, Interest::IN, Some(stop), None).context("cannot wait for datagrams")? {
        let received = if everywhere {
            receive_where_asked(&socket, &mut buffer[prefix_bytes..])
        } else {
            recvfrom(&socket, &mut buffer[prefix_bytes..])
                .and_then(|(length, peer)| Ok((length, peer.internet().ok_or(Errno::AFNOSUPPORT)?, None)))
        };
        let (length, peer, asked) = match received {
            Ok(received) => received,
            Err(errno) if is_passing(errno) => continue,
            Err(errno) => return Err(errno).context("cannot receive datagrams"),
        };
        tally.received += 1;
        let (data, reply) = (&buffer[prefix_bytes..prefix_bytes + length], &buffer[..prefix_bytes + length]);
        let destination = asked.map(|asked| asked.destination);
        let to_many = asked.is_some_and(|asked| asked.answer_from != asked.destination);
        if let Err(refusal) = server.guard.admit(&Datagram { peer, destination, to_many, data }) {
            tally.refused(refusal, &peer);
            continue;
        }
        let sent = match &asked {
            Some(asked) => send_from(&socket, reply, &peer, asked),
            None => sendto(&socket, reply, &peer.into()),
        };
        match sent {
            Ok(_) => {
                tally.answered += 1;
                if server.verbose {
                    let (data, peer) = (data.escape_ascii(), address::show(&peer));
                    listener::say(&format!("UDP server: \"{data}\" from {peer}\n"));
                }
            }
            Err(errno) => tally.not_sent(errno, &peer, reply.len()),
        }
    }
    close(socket);
    Ok(tally)
}

/// Errors that `recvfrom` may return without anything being wrong with the socket: no datagram after all (its checksum was
/// wrong), or, on some systems, the news that an earlier answer found nobody.
fn is_passing(errno: Errno) -> bool {
    #[cfg(unix)]
    if errno == Errno::NOMEM {
        return true;
    }
    matches!(
        errno,
        Errno::AGAIN
            | Errno::INTR
            | Errno::CONNREFUSED
            | Errno::CONNRESET
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTUNREACH
            | Errno::NOBUFS
    )
}

#[cfg(unix)]
fn receive_where_asked(socket: &OwnedFd, room: &mut [u8]) -> Result<(usize, SocketAddr, Option<Asked>), Errno> {
    recvmsg(socket, room)
}

#[cfg(unix)]
fn send_from(socket: &OwnedFd, reply: &[u8], peer: &SocketAddr, asked: &Asked) -> Result<usize, Errno> {
    sendmsg(socket, reply, peer, asked)
}

/// Where the kernel can't be asked, nothing is known of it.
#[cfg(windows)]
#[derive(Clone, Copy)]
struct Asked {
    destination: std::net::IpAddr,
    answer_from: std::net::IpAddr,
}

#[cfg(windows)]
fn receive_where_asked(socket: &OwnedFd, room: &mut [u8]) -> Result<(usize, SocketAddr, Option<Asked>), Errno> {
    recvfrom(socket, room).and_then(|(length, peer)| Ok((length, peer.internet().ok_or(Errno::AFNOSUPPORT)?, None)))
}

#[cfg(windows)]
fn send_from(socket: &OwnedFd, reply: &[u8], peer: &SocketAddr, _asked: &Asked) -> Result<usize, Errno> {
    sendto(socket, reply, &(*peer).into())
}
