//! The lecture's design: `recvfrom`, `sendto`, again.
//!
//! Its partner is `udp-echo-client`. One thread, one socket, no connections: the address that comes with each datagram is
//! all the server knows of a client, and it forgets it with the next.
//!
//! Bound to one address (`--host 127.0.0.1`), the two calls are all there is. Bound to every interface, `recvfrom` doesn't
//! tell which of this machine's addresses was asked, and `sendto` may answer from another, which a connected client never
//! sees. There `recvmsg` and `sendmsg` take their places, the same calls with room for one address more.
//!
//! `datagram_comes` is where it waits: with poll(2), for a datagram or for the signal to stop.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::Errno;
use common::berkeley::{OwnedFd, close, recvfrom, sendto};
#[cfg(unix)]
use common::packet_info::{recvmsg, sendmsg};
use common::signal::Stop;
use common::wait::{Interest, Wake, wait};

use crate::server::{Incoming, Server, datagram_comes};

/// Room for the largest datagram there is: its length field has 16 bits. What does not fit into a buffer is cut off without
/// a word, and an echo must not be.
pub const LARGEST_DATAGRAM_BYTES: usize = 65_535;

/// A socket in the file system has no such field: its datagrams are as large as their sender's buffer lets them be. So
/// ours is asked for room for such a reply, of which it gets what the system allows (on Linux, `net.core.wmem_max`).
#[cfg(unix)]
pub const LARGEST_UNIX_DATAGRAM_BYTES: usize = 1024 * 1024;

/// A network that has taken nothing for so long is no network any more.
pub const ROOM_WITHIN: Duration = Duration::from_millis(500);

/// Answers datagrams until the server is asked to stop. No datagram ends the loop: not an empty one, and not one that can't
/// be answered.
///
/// Errors: the socket itself is broken.
pub fn serve(socket: OwnedFd, mut server: Server, stop: &Stop) -> Result<()> {
    let prefix_bytes = server.prefix.as_bytes().len();
    let mut buffer = server.prefix.buffer(room_bytes(&server));
    while let Wake::Ready(_) = datagram_comes(&socket, stop, None)? {
        let incoming = match receive(&socket, &mut buffer[prefix_bytes..], server.everywhere) {
            Ok(incoming) => incoming,
            Err(errno) if is_passing(errno) => continue,
            Err(errno) => return Err(errno).context("cannot receive datagrams"),
        };
        server.tally.received.add(1);
        server.has_lost(incoming.dropped);
        if incoming.length == buffer.len() - prefix_bytes {
            server.tally.too_large(&incoming.peer, incoming.length);
            continue;
        }
        let reply = &buffer[..prefix_bytes + incoming.length];
        let data = &reply[prefix_bytes..];
        if !server.admits(&incoming.peer, &incoming.asked, data, Instant::now) {
            continue;
        }
        let mut sent = answer(&socket, reply, &incoming);
        if sent == Err(Errno::AGAIN) && has_room(&socket, stop) {
            sent = answer(&socket, reply, &incoming);
        }
        match sent {
            Ok(_) => {
                server.tally.answered.add(1);
                server.show(data, &incoming.peer);
            }
            Err(errno) => server.tally.not_sent(errno, &incoming.peer, reply.len()),
        }
    }
    server.tally.look();
    close(socket);
    Ok(())
}

/// How much room to receive in: more than a datagram takes. What fills all of it may have been cut off.
pub fn room_bytes(server: &Server) -> usize {
    #[cfg(unix)]
    if !server.is_internet {
        return LARGEST_UNIX_DATAGRAM_BYTES + 1;
    }
    let _ = server;
    LARGEST_DATAGRAM_BYTES
}

/// The next datagram. `everywhere`: and where it was sent to.
///
/// Errors: as recvfrom(2).
pub fn receive(socket: &OwnedFd, room: &mut [u8], everywhere: bool) -> Result<Incoming, Errno> {
    #[cfg(unix)]
    if everywhere {
        let arrival = recvmsg(socket, room)?;
        let (length, peer) = (arrival.length, arrival.peer.into());
        return Ok(Incoming { length, peer, asked: arrival.asked, dropped: arrival.dropped });
    }
    let _ = everywhere;
    let (length, peer) = recvfrom(socket, room)?;
    Ok(Incoming { length, peer, asked: None, dropped: None })
}

/// Sends a reply to where the datagram came from, and from where it was sent to.
///
/// Errors: as sendto(2).
pub fn answer(socket: &OwnedFd, reply: &[u8], to: &Incoming) -> Result<usize, Errno> {
    #[cfg(unix)]
    if let (Some(asked), Some(peer)) = (&to.asked, to.peer.internet()) {
        return sendmsg(socket, reply, &peer, asked);
    }
    sendto(socket, reply, &to.peer)
}

/// Waits until the network has taken enough of what was sent for there to be room for more; a socket that blocks does that by
/// itself. False: it takes too long, and the reply is lost, as on any network that is too slow.
pub fn has_room(socket: &OwnedFd, stop: &Stop) -> bool {
    let until = Instant::now() + ROOM_WITHIN;
    matches!(wait(socket, Interest::OUT, Some(stop), Some(until)), Ok(Wake::Ready(_)))
}

/// Errors that receiving may end with without anything being wrong with the socket: no datagram after all (its checksum was
/// wrong), or, on some systems, the news that an earlier answer found nobody.
pub fn is_passing(errno: Errno) -> bool {
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
