//! Many datagrams at a time, to the kernel and from it: on Linux, with one call for all of them.

use common::Errno;
use common::address::Address;
use common::berkeley::{OwnedFd, recv, send};
#[cfg(target_os = "linux")]
use common::datagrams;

/// So many are sent or received at once, at most.
pub const MOST_AT_ONCE: usize = 64;

/// What one call has brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// All that there was.
    Some,
    /// As much as there was room for.
    More,
}

/// The room for what is sent and received.
pub struct Wire {
    size: usize,
    /// Requests that are not sent yet, one behind the other, from `taken` on.
    output: Vec<u8>,
    taken: usize,
    input: Vec<u8>,
    #[cfg(target_os = "linux")]
    many: Option<Many>,
}

/// What it takes to send and receive many at once.
#[cfg(target_os = "linux")]
struct Many {
    peer: std::net::SocketAddr,
    train: usize,
    rooms: datagrams::Rooms,
    arrivals: Vec<common::packet_info::Arrival>,
}

impl Wire {
    /// Room for requests of this size, and replies of at most that one.
    pub fn new(size: usize, longest_reply: usize, _peer: &Address, _train: usize) -> Wire {
        Wire {
            size,
            output: Vec::new(),
            taken: 0,
            // One byte more shows a reply that is too long.
            input: vec![0; longest_reply + 1],
            #[cfg(target_os = "linux")]
            many: _peer.internet().map(|peer| Many::new(peer, _train)),
        }
    }

    /// Sets a socket up: what comes in a train is taken as one.
    ///
    /// Errors: as setsockopt(2); this system has no trains.
    pub fn prepare(&self, _socket: &OwnedFd, train: usize) -> Result<(), Errno> {
        match train {
            1 => Ok(()),
            #[cfg(target_os = "linux")]
            _ if self.many.is_some() => datagrams::take_glued(_socket),
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// One more request is to be sent.
    pub fn put(&mut self, request: &[u8]) {
        self.output.extend_from_slice(request);
    }

    /// Sends some of what is to be sent. Returns how many requests that was.
    ///
    /// Errors: as send(2), about those that [`Self::drop_first`] drops.
    pub fn send(&mut self, socket: &OwnedFd) -> Result<usize, Errno> {
        let unsent = &self.output[self.taken..];
        #[cfg(target_os = "linux")]
        if let Some(many) = &self.many
            && unsent.len() > self.size
        {
            let sent = many.send(socket, unsent, self.size)?;
            return Ok(self.drop(sent));
        }
        send(socket, &unsent[..self.size])?;
        Ok(self.drop(1))
    }

    /// What [`Self::send`] would begin with, as one, is not to be sent any more. Returns how many requests that was.
    pub fn drop_first(&mut self) -> usize {
        #[cfg(target_os = "linux")]
        if let Some(many) = &self.many {
            let unsent = (self.output.len() - self.taken) / self.size;
            return self.drop(many.train.min(unsent));
        }
        self.drop(1)
    }

    fn drop(&mut self, count: usize) -> usize {
        self.taken += count * self.size;
        if self.taken == self.output.len() {
            self.output.clear();
            self.taken = 0;
        }
        count
    }

    /// Receives, and hands over each datagram; about so many are expected.
    ///
    /// Errors: as recv(2).
    pub fn receive(
        &mut self,
        socket: &OwnedFd,
        _expected: usize,
        mut datagram: impl FnMut(&[u8]),
    ) -> Result<Input, Errno> {
        #[cfg(target_os = "linux")]
        if let Some(many) = &mut self.many {
            return or_none(many.receive(socket, _expected, datagram));
        }
        or_none(recv(socket, &mut self.input).map(|length| {
            datagram(&self.input[..length]);
            Input::More
        }))
    }
}

/// That there is nothing is no error.
fn or_none(result: Result<Input, Errno>) -> Result<Input, Errno> {
    match result {
        Err(Errno::AGAIN) => Ok(Input::Some),
        Err(Errno::INTR) => Ok(Input::More),
        result => result,
    }
}

#[cfg(target_os = "linux")]
impl Many {
    fn new(peer: std::net::SocketAddr, train: usize) -> Many {
        let no_prefix = "".parse().expect("nothing is not too long");
        Many { peer, train, rooms: datagrams::Rooms::new(&no_prefix, MOST_AT_ONCE), arrivals: Vec::new() }
    }

    fn send(&self, socket: &OwnedFd, unsent: &[u8], size: usize) -> Result<usize, Errno> {
        use std::io::IoSlice;
        if self.train > 1 {
            let piece = &unsent[..unsent.len().min(self.train * size)];
            let bytes = datagrams::sendmsg_cut(socket, &[IoSlice::new(piece)], size as u16, &self.peer, None)?;
            return Ok(bytes / size);
        }
        let many: Vec<[IoSlice; 1]> = unsent.chunks(size).take(MOST_AT_ONCE).map(|one| [IoSlice::new(one)]).collect();
        datagrams::sendmmsg_connected(socket, &many)
    }

    fn receive(&mut self, socket: &OwnedFd, expected: usize, mut datagram: impl FnMut(&[u8])) -> Result<Input, Errno> {
        let most = (expected + 1).min(MOST_AT_ONCE);
        datagrams::recvmmsg(socket, &mut self.rooms, most, &mut self.arrivals)?;
        for (room, arrival) in self.arrivals.iter().enumerate() {
            let data = &self.rooms.bytes()[self.rooms.place(room)..][..arrival.length];
            match arrival.segment {
                Some(segment) => data.chunks(segment).for_each(&mut datagram),
                None => datagram(data),
            }
        }
        Ok(if self.arrivals.len() == most { Input::More } else { Input::Some })
    }
}
