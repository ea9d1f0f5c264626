//! Many datagrams with one system call: recvmmsg(2) and sendmmsg(2), and datagrams that go through the kernel glued together.
//!
//! A sender may hand the kernel one long piece of data and say how to cut it: "generic segmentation offload", GSO. A receiver
//! may take such a piece whole, and cut it itself: "generic receive offload", GRO. What is in between, routing, firewall,
//! checksum and the socket's queue, is then paid once for all of them. See UDP_SEGMENT and UDP_GRO in udp(7).

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;

use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg as nix_recvmmsg, sendmmsg as nix_sendmmsg,
    sendmsg as nix_sendmsg, setsockopt, sockopt,
};
use rustix::fd::{AsFd, AsRawFd};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg_addr};

use crate::packet_info::{Arrival, Asked, Source, arrival, described, errno, from, room_for_control};
use crate::prefix::Prefix;
use crate::sockopt::set;
use crate::trace::{self, Call};
use crate::{Errno, address};

/// The kernel cuts a piece into no more datagrams than this (newer ones allow twice as many).
pub const MOST_SEGMENTS: usize = 64;
/// No piece is longer: the length field of IP has 16 bits, of which a header for all of it takes its share.
pub const MOST_PIECE_BYTES: usize = 65_507;

/// The largest datagram there is, and the longest piece that is several.
const LARGEST_BYTES: usize = 65_535;
const CACHE_LINE_BYTES: usize = 64;

/// Room for a number of datagrams, each behind a prefix, so that one can be sent back as it stands there.
pub struct Rooms {
    bytes: Vec<u8>,
    prefix_bytes: usize,
    each_bytes: usize,
}

impl Rooms {
    /// So many.
    pub fn new(prefix: &Prefix, count: usize) -> Rooms {
        let prefix_bytes = prefix.as_bytes().len();
        // An odd number of cache lines: of an even one, all rooms would begin in the same few places of the cache.
        let lines = (prefix_bytes + LARGEST_BYTES).div_ceil(CACHE_LINE_BYTES) | 1;
        let each_bytes = lines * CACHE_LINE_BYTES;
        let mut bytes = vec![0; count * each_bytes];
        if prefix_bytes > 0 {
            bytes.chunks_mut(each_bytes).for_each(|room| room[..prefix_bytes].copy_from_slice(prefix.as_bytes()));
        }
        Rooms { bytes, prefix_bytes, each_bytes }
    }

    /// All of it, to be used with [`Self::place`].
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A room, from where the datagram in it begins.
    #[inline]
    pub fn room(&mut self, room: usize) -> &mut [u8] {
        let place = self.place(room);
        &mut self.bytes[place..place + LARGEST_BYTES]
    }

    /// Where the datagram in a room begins. The prefix stands before it.
    #[inline]
    pub fn place(&self, room: usize) -> usize {
        room * self.each_bytes + self.prefix_bytes
    }
}

/// UDP_GRO: takes datagrams that have come glued together as they are: [`Arrival::segment`] tells how to cut them.
///
/// Errors: as setsockopt(2); `ENOPROTOOPT` from a kernel before 5.0.
pub fn take_glued(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, "UDP_GRO", 1, |socket| setsockopt(socket, sockopt::UdpGroSegment, &true).map_err(errno))
}

/// Receives as many datagrams as there are, up to `most`, each into the room of its number. It waits for the first only, if the
/// socket blocks.
///
/// Errors: as recvmsg(2): `EAGAIN` when there's none.
pub fn recvmmsg(socket: impl AsFd, rooms: &mut Rooms, most: usize, arrivals: &mut Vec<Arrival>) -> Result<(), Errno> {
    arrivals.clear();
    // Anew each time: the kernel writes into them how much it has used, and would have no more room the next time.
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(most, Some(room_for_control()));
    let timer = trace::start();
    let (prefix_bytes, each_bytes) = (rooms.prefix_bytes, rooms.each_bytes);
    let result = {
        let mut room: Vec<[IoSliceMut; 1]> = rooms
            .bytes
            .chunks_mut(each_bytes)
            .take(most)
            .map(|room| [IoSliceMut::new(&mut room[prefix_bytes..prefix_bytes + LARGEST_BYTES])])
            .collect();
        nix_recvmmsg(socket.as_fd().as_raw_fd(), &mut headers, &mut room, MsgFlags::MSG_WAITFORONE, None)
            .map(|messages| arrivals.extend(messages.map(|message| arrival(&message))))
            .map_err(errno)
    };
    timer.end(|| {
        let first = result.map(|()| arrivals[0]);
        let room = &rooms.bytes[prefix_bytes..prefix_bytes + LARGEST_BYTES];
        let bytes = arrivals.iter().map(|arrival| arrival.length).sum();
        described(Call::on("recvmmsg", &socket), room, &first).of_many(result.map(|()| arrivals.len()), bytes)
    });
    result
}

/// Sends several datagrams, each in two parts that are put together, to an address each, and returns how many were taken: all,
/// or those before the first that can't be sent. With `asked`, they all come from that address.
///
/// Errors: as sendmsg(2), when it is the first that can't be sent.
pub fn sendmmsg(
    socket: impl AsFd,
    messages: &[([IoSlice; 2], SocketAddr)],
    asked: Option<&Asked>,
) -> Result<usize, Errno> {
    let source = asked.map(Source::of);
    let control: Vec<ControlMessage> = source.iter().map(Source::control).collect();
    let mut headers = MultiHeaders::preallocate(messages.len(), source.as_ref().map(Source::room));
    let addresses: Vec<_> = messages.iter().map(|(_, peer)| Some(SockaddrStorage::from(*peer))).collect();
    let timer = trace::start();
    let data = messages.iter().map(|(data, _)| data);
    let result = nix_sendmmsg(socket.as_fd().as_raw_fd(), &mut headers, data, addresses, control, MsgFlags::empty())
        .map(Iterator::count)
        .map_err(errno);
    let first = if timer.is_running() { joined(&messages[0].0) } else { Vec::new() };
    timer.end(|| {
        let taken = &messages[..result.unwrap_or(0)];
        let bytes = taken.iter().flat_map(|(data, _)| data).map(|part| part.len()).sum();
        let (peer, call) = (messages[0].1, Call::on("sendmmsg", &socket));
        from(call.sent(&first, result).argument(address::show(&peer)).peer(peer.into()), asked).of_many(result, bytes)
    });
    result
}

/// Sends several datagrams on a connected socket, and returns how many were taken, as [`sendmmsg`].
///
/// Errors: as send(2), about the first of them.
pub fn sendmmsg_connected(socket: impl AsFd, datagrams: &[[IoSlice; 1]]) -> Result<usize, Errno> {
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(datagrams.len(), None);
    let nowhere = vec![None; datagrams.len()];
    let timer = trace::start();
    let result = nix_sendmmsg(socket.as_fd().as_raw_fd(), &mut headers, datagrams, nowhere, [], MsgFlags::empty())
        .map(Iterator::count)
        .map_err(errno);
    timer.end(|| {
        let bytes = datagrams[..result.unwrap_or(0)].iter().map(|[data]| data.len()).sum();
        Call::on("sendmmsg", &socket).sent(&datagrams[0][0], result).of_many(result, bytes)
    });
    result
}

/// Sends one piece of data, in parts that are put together, that the kernel cuts into datagrams of `segment` bytes; the last
/// may be shorter. With `asked`, they all come from that address.
///
/// Errors: as sendmsg(2); `EINVAL` when a segment is larger than a packet may be on the way; `EIO` when there is no cutting on
/// the way.
pub fn sendmsg_cut(
    socket: impl AsFd,
    piece: &[IoSlice],
    segment: u16,
    peer: &SocketAddr,
    asked: Option<&Asked>,
) -> Result<usize, Errno> {
    let source = asked.map(Source::of);
    let cut = ControlMessage::UdpGsoSegments(&segment);
    let (alone, both);
    let control: &[ControlMessage] = match &source {
        Some(source) => {
            both = [source.control(), cut];
            &both
        }
        None => {
            alone = [cut];
            &alone
        }
    };
    let to = SockaddrStorage::from(*peer);
    let timer = trace::start();
    let result = nix_sendmsg(socket.as_fd().as_raw_fd(), piece, control, MsgFlags::empty(), Some(&to)).map_err(errno);
    let data = if timer.is_running() { joined(piece) } else { Vec::new() };
    timer.end(|| {
        let call = Call::on("sendmsg", &socket).sent(&data, result).argument(address::show(peer));
        from(call, asked).argument(format_args!("cut into {segment}")).peer((*peer).into())
    });
    result
}

/// UDP_SEGMENT: from now on, what is sent and is longer than `segment` bytes is cut into datagrams of so many; 0: nothing is.
///
/// Errors: as setsockopt(2); `ENOPROTOOPT` from a kernel before 4.18.
pub fn set_cut(socket: impl AsFd, segment: u16) -> Result<(), Errno> {
    set(socket, "UDP_SEGMENT", segment, |socket| {
        setsockopt(socket, sockopt::UdpGsoSegment, &segment.into()).map_err(errno)
    })
}

/// Sends one piece of data, in parts that are put together. [`set_cut`] says whether it is cut.
///
/// Errors: as [`sendmsg_cut`].
#[inline(always)]
pub fn sendmsg_parts(socket: impl AsFd, piece: &[IoSlice], peer: &SocketAddr) -> Result<usize, Errno> {
    let (mut nothing, flags) = (SendAncillaryBuffer::default(), SendFlags::empty());
    let timer = trace::start();
    let result = match peer {
        SocketAddr::V4(peer) => sendmsg_addr(&socket, peer, piece, &mut nothing, flags),
        SocketAddr::V6(peer) => sendmsg_addr(&socket, peer, piece, &mut nothing, flags),
    };
    let data = if timer.is_running() { joined(piece) } else { Vec::new() };
    timer.end(|| {
        let call = Call::on("sendmsg", &socket).sent(&data, result).argument(address::show(peer));
        call.peer((*peer).into())
    });
    result
}

fn joined(parts: &[IoSlice]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let [one, other] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        one.set_nonblocking(true).unwrap();
        (one, other)
    }

    fn receive(socket: &UdpSocket, rooms: &mut Rooms, most: usize) -> Result<Vec<(Vec<u8>, Arrival)>, Errno> {
        let mut arrivals = Vec::new();
        recvmmsg(socket, rooms, most, &mut arrivals)?;
        let data = |room: usize, arrival: &Arrival| rooms.bytes()[rooms.place(room)..][..arrival.length].to_vec();
        Ok(arrivals.iter().enumerate().map(|(room, arrival)| (data(room, arrival), *arrival)).collect())
    }

    #[test]
    fn each_datagram_has_a_room_behind_the_prefix_and_an_empty_one_too() {
        let (ours, theirs) = pair();
        let mut rooms = Rooms::new(&"echo -> ".parse().unwrap(), 3);
        assert_eq!(receive(&ours, &mut rooms, 3).unwrap_err(), Errno::AGAIN);
        for data in [&b"first"[..], b"", &[7; 65_507], b"fourth"] {
            theirs.send_to(data, ours.local_addr().unwrap()).unwrap();
        }
        let first = receive(&ours, &mut rooms, 3).unwrap();
        let lengths: Vec<usize> = first.iter().map(|(data, _)| data.len()).collect();
        assert_eq!(lengths, [5, 0, 65_507]);
        assert!(first.iter().all(|(_, arrival)| arrival.peer == theirs.local_addr().unwrap()));
        assert_eq!(&rooms.bytes()[rooms.place(2) - 8..][..9], b"echo -> \x07");
        let then = receive(&ours, &mut rooms, 3).unwrap();
        assert_eq!(then.iter().map(|(data, _)| &data[..]).collect::<Vec<_>>(), [b"fourth"]);
    }

    #[test]
    fn a_piece_that_is_cut_arrives_as_datagrams_or_glued_together_again() {
        let (ours, theirs) = pair();
        let (from, to) = (theirs.local_addr().unwrap(), ours.local_addr().unwrap());
        let mut rooms = Rooms::new(&"".parse().unwrap(), 8);
        let piece = [IoSlice::new(b"abc"), IoSlice::new(b"def"), IoSlice::new(b"gh")];
        assert_eq!(sendmsg_cut(&theirs, &piece, 3, &to, None), Ok(8));
        let apart = receive(&ours, &mut rooms, 8).unwrap();
        assert_eq!(apart.iter().map(|(data, _)| &data[..]).collect::<Vec<_>>(), [&b"abc"[..], b"def", b"gh"]);
        take_glued(&ours).unwrap();
        sendmsg_cut(&theirs, &piece, 3, &to, None).unwrap();
        let together = receive(&ours, &mut rooms, 8).unwrap();
        assert_eq!((together.len(), &together[0].0[..], together[0].1.segment), (1, &b"abcdefgh"[..], Some(3)));
        assert_eq!(together[0].1.peer, from);
    }

    #[test]
    fn several_are_sent_up_to_the_first_that_cannot_be() {
        let (ours, theirs) = pair();
        let to = theirs.local_addr().unwrap();
        let two = |before, data| [IoSlice::new(before), IoSlice::new(data)];
        let (good, bad) = ((two(b"a", b"b"), to), (two(b"a", b"b"), SocketAddr::from(([127, 0, 0, 1], 0))));
        assert_eq!(sendmmsg(&ours, &[good, good, bad, good], None), Ok(2));
        assert_eq!(sendmmsg(&ours, &[bad, good], None), Err(Errno::INVAL));
        let mut data = [0; 9];
        assert_eq!(theirs.recv(&mut data).unwrap(), 2);
        assert_eq!(&data[..2], b"ab");
    }
}
