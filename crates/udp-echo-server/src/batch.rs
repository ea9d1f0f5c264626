//! As many datagrams with each system call as there are: `recvmmsg`, `sendmmsg`, and trains that are cut by the kernel.
//!
//! `simple.rs` makes two calls for each datagram, and a third to wait for it. Here a call brings all that have arrived by then,
//! and there is a wait only once there are no more. That alone gains little: what a datagram costs is its way through the
//! kernel. So datagrams that came glued together are taken as they are (GRO), each is looked at and answered by itself, and
//! replies of one length to one client leave glued together again (GSO): `trains.rs`. The client gets single datagrams.
//!
//! With `--workers`, each thread has a socket of its own, and the kernel chooses by the addresses of both ends: what one client
//! sends is answered by one thread, in its order.

mod trains;

use std::cell::OnceCell;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use common::Errno;
use common::address::Address;
use common::berkeley::{OwnedFd, close, sendto};
use common::datagrams::{Rooms, recvmmsg, sendmmsg, sendmsg_cut};
use common::packet_info::{Arrival, sendmsg};
use common::signal::Stop;
use common::wait::{Interest, Wake, wait};

use crate::server::Server;
use crate::simple::{has_room, is_passing};
use trains::{Reply, Yard};

/// So many datagrams are received at once: more would not fit into a processor's cache.
const MOST_AT_ONCE: usize = 64;
/// So many at least, to tell whether there are more.
const LEAST_AT_ONCE: usize = 2;
/// A thread needs no more.
const STACK_BYTES: usize = 256 * 1024;

/// Answers datagrams until the server is asked to stop, with a thread for each socket. No datagram ends it.
///
/// Errors: a socket itself is broken; there is no thread to be had. Then the other threads end with the process.
pub fn serve(sockets: Vec<OwnedFd>, server: Server, stop: Stop) -> Result<()> {
    let (stop, count) = (Arc::new(stop), sockets.len());
    let (tell, told) = mpsc::channel();
    for socket in sockets {
        let worker = Worker::new(socket, server.another(), Arc::clone(&stop));
        let tell = tell.clone();
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        // Nobody listens any more if another one has failed.
        thread.spawn(move || drop(tell.send(worker.work()))).context("cannot start a thread")?;
    }
    drop(tell);
    let sockets = told.iter().take(count).collect::<Result<Vec<_>>>()?;
    server.tally.look();
    sockets.into_iter().for_each(close);
    Ok(())
}

/// One thread with its socket.
struct Worker {
    socket: OwnedFd,
    stop: Arc<Stop>,
    server: Server,
    rooms: Rooms,
    arrivals: Vec<Arrival>,
    replies: Vec<Reply>,
    trains: Vec<Range<usize>>,
    yard: Yard,
    prefix_bytes: usize,
    /// Whether replies may leave in trains: until it turns out that they can't.
    cuts: bool,
}

impl Worker {
    fn new(socket: OwnedFd, server: Server, stop: Arc<Stop>) -> Worker {
        let (rooms, prefix_bytes) = (Rooms::new(&server.prefix, MOST_AT_ONCE), server.prefix.as_bytes().len());
        let (arrivals, replies, trains) = (Vec::new(), Vec::new(), Vec::new());
        let yard = Yard::default();
        Worker { socket, stop, server, rooms, arrivals, replies, trains, yard, prefix_bytes, cuts: true }
    }

    /// Receives and answers, again and again; returns the socket in the end.
    fn work(mut self) -> Result<OwnedFd> {
        while !self.stop.is_asked() {
            let came = self.arrivals.len();
            if came < LEAST_AT_ONCE {
                // None or one: the next may take a while. Else some have come meanwhile, as a rule.
                let waited = wait(&self.socket, Interest::IN, Some(&self.stop), None);
                if waited.context("cannot wait for datagrams")? == Wake::Stop {
                    break;
                }
            }
            let most = (2 * came).clamp(LEAST_AT_ONCE, MOST_AT_ONCE);
            match recvmmsg(&self.socket, &mut self.rooms, most, &mut self.arrivals) {
                Ok(()) => self.answer(),
                Err(errno) if is_passing(errno) => {}
                Err(errno) => return Err(errno).context("cannot receive datagrams"),
            }
        }
        Ok(self.socket)
    }

    /// Answers all that has come.
    fn answer(&mut self) {
        let time = OnceCell::new();
        let now = || *time.get_or_init(Instant::now);
        let mut received = 0;
        self.replies.clear();
        for (number, arrival) in self.arrivals.iter().enumerate() {
            self.server.has_lost(arrival.dropped);
            let (peer, start) = (Address::Internet(arrival.peer), self.rooms.place(number));
            // Several that are glued together, or one, which may be empty.
            let each = arrival.segment.unwrap_or(arrival.length).max(1);
            let mut at = 0;
            while at == 0 || at < arrival.length {
                let data = start + at..start + arrival.length.min(at + each);
                if self.server.admits(&peer, &arrival.asked, &self.rooms.bytes()[data.clone()], now) {
                    self.replies.push(Reply { data, is_first: at == 0, to: number });
                }
                received += 1;
                at += each;
            }
        }
        self.server.tally.received.add(received);
        self.yard.make_up(&mut self.replies, &self.arrivals, self.prefix_bytes, &mut self.trains);
        let mut alone = 0..0;
        for number in 0..self.trains.len() {
            let train = self.trains[number].clone();
            let goes_alone = !self.cuts || train.len() == 1;
            if goes_alone && alone.is_empty() {
                alone = train;
            } else if goes_alone {
                alone.end = train.end;
            } else {
                self.send_alone(std::mem::replace(&mut alone, 0..0));
                self.send_train(train);
            }
        }
        self.send_alone(alone);
    }

    /// Sends a train of replies; if it can't be sent as such, each of them alone.
    fn send_train(&mut self, train: Range<usize>) {
        let replies = &self.replies[train.clone()];
        let (to, first) = (&self.arrivals[replies[0].to], replies[0].length(self.prefix_bytes));
        let segment = u16::try_from(first).expect("a train's replies are short");
        match sendmsg_cut(&self.socket, &self.piece(replies), segment, &to.peer, to.asked.as_ref()) {
            Ok(_) => self.sent(replies),
            Err(errno) => {
                // No checksums are made on the way, or the kernel is too old: that will not change.
                self.cuts = !matches!(errno, Errno::IO | Errno::OPNOTSUPP | Errno::NOPROTOOPT);
                self.send_alone(train);
            }
        }
    }

    /// The parts of a train, those that stand one behind the other in one.
    fn piece(&self, replies: &[Reply]) -> Vec<IoSlice<'_>> {
        let mut parts = Vec::with_capacity(2 * replies.len());
        let mut part = 0..0;
        let bytes = self.rooms.bytes();
        for reply in replies {
            let whole = reply.whole(self.prefix_bytes);
            if part.end == whole.start && reply.has_prefix(self.prefix_bytes) {
                part.end = whole.end;
                continue;
            }
            if !part.is_empty() {
                parts.push(IoSlice::new(&bytes[part]));
            }
            if !reply.has_prefix(self.prefix_bytes) {
                parts.push(IoSlice::new(self.server.prefix.as_bytes()));
            }
            part = whole;
        }
        parts.push(IoSlice::new(&bytes[part]));
        parts
    }

    /// Sends replies that have nothing in common but that they are sent at once, if only their source is the same.
    fn send_alone(&self, mut alone: Range<usize>) {
        let mut may_wait = true;
        while !alone.is_empty() {
            let replies = &self.replies[alone.clone()];
            let asked = self.arrivals[replies[0].to].asked;
            let count = replies.iter().take_while(|reply| self.arrivals[reply.to].asked == asked).count();
            let sent = match &replies[..count] {
                [reply] if reply.has_prefix(self.prefix_bytes) => self.send_one(reply),
                replies => {
                    let messages: Vec<_> = replies.iter().map(|reply| self.message(reply)).collect();
                    sendmmsg(&self.socket, &messages, asked.as_ref())
                }
            };
            match sent {
                Ok(count) => {
                    self.sent(&replies[..count]);
                    may_wait = true;
                }
                Err(Errno::AGAIN) if std::mem::take(&mut may_wait) && has_room(&self.socket, &self.stop) => continue,
                Err(errno) => {
                    let (to, bytes) = (&self.arrivals[replies[0].to], replies[0].length(self.prefix_bytes));
                    self.server.tally.not_sent(errno, &Address::Internet(to.peer), bytes);
                }
            }
            alone.start += sent.unwrap_or(1);
        }
    }

    /// Sends the one reply that there is.
    fn send_one(&self, reply: &Reply) -> Result<usize, Errno> {
        let (to, data) = (&self.arrivals[reply.to], &self.rooms.bytes()[reply.whole(self.prefix_bytes)]);
        let sent = match &to.asked {
            Some(asked) => sendmsg(&self.socket, data, &to.peer, asked),
            None => sendto(&self.socket, data, &to.peer.into()),
        };
        sent.map(|_| 1)
    }

    /// A reply as one of many.
    fn message(&self, reply: &Reply) -> ([IoSlice<'_>; 2], SocketAddr) {
        let before = if reply.has_prefix(self.prefix_bytes) { &[] } else { self.server.prefix.as_bytes() };
        let data = &self.rooms.bytes()[reply.whole(self.prefix_bytes)];
        ([IoSlice::new(before), IoSlice::new(data)], self.arrivals[reply.to].peer)
    }

    /// These replies have left.
    fn sent(&self, replies: &[Reply]) {
        self.server.tally.answered.add(replies.len() as u64);
        for reply in replies.iter().filter(|_| self.server.verbose) {
            let peer = self.arrivals[reply.to].peer.into();
            self.server.show(&self.rooms.bytes()[reply.data.clone()], &peer);
        }
    }
}
