//! One thread of `batch.rs`: it receives what has come, and answers it.

mod sending;

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use common::Errno;
use common::address::Address;
use common::berkeley::{OwnedFd, recvfrom, recvfrom_now};
use common::datagrams::{Rooms, recvmmsg, take_glued};
use common::packet_info::{Arrival, count_drops};
use common::signal::Stop;
use common::wait::Wake;

use super::trains::{Reply, Yard};
use crate::server::{Server, datagram_comes};
use crate::simple::is_passing;

/// So many datagrams are received at once: more would not fit into a processor's cache.
const MOST_AT_ONCE: usize = 64;
/// So many at least, to tell whether there are more.
const LEAST_AT_ONCE: usize = 2;
/// Or so many bytes: a small queue of the kernel's is full then.
const MANY_BYTES: usize = 64 * 1024;
/// When there was too much to take at once so often, the kernel may have had too much too. Once may be a burst.
const MANY_BATCHES: u32 = 2;

/// One thread with its socket.
pub struct Worker {
    socket: Arc<OwnedFd>,
    /// Whether the calls on the socket wait; shutdown(2) wakes them.
    blocks: bool,
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
    /// What is longer than so many bytes is cut by the kernel now; 0: nothing is.
    cut: u16,
    /// So many times, one after the other, there was no more room for what had come.
    full_batches: u32,
    /// In this batch there was no room to send for as long as may be.
    has_waited: bool,
    /// Whether the kernel tells more of a datagram than where it came from: it comes glued to others, or was sent to one of
    /// several addresses of ours.
    is_told: bool,
}

impl Worker {
    /// Nothing has come yet.
    pub fn new(socket: Arc<OwnedFd>, blocks: bool, server: Server, stop: Arc<Stop>) -> Worker {
        let (rooms, prefix_bytes) = (Rooms::new(&server.prefix, MOST_AT_ONCE), server.prefix.as_bytes().len());
        let (arrivals, replies, trains) = (Vec::new(), Vec::new(), Vec::new());
        // What others who have the socket have asked for still holds, and they may count on it as well.
        let (yard, cuts, cut, is_told) = (Yard::default(), true, 0, server.everywhere || !blocks);
        let mut worker = Worker {
            socket,
            blocks,
            stop,
            server,
            rooms,
            arrivals,
            replies,
            trains,
            yard,
            prefix_bytes,
            cuts,
            cut,
            full_batches: 0,
            has_waited: false,
            is_told,
        };
        if is_told {
            worker.be_told();
        }
        worker
    }

    /// Receives and answers, again and again, until the server is asked to stop.
    ///
    /// The plain way, `recvfrom` and `sendto` or a train, is all one function: on processors that guard against misuse of returns, each return from a function between
    /// two system calls costs as much as a good part of a call.
    ///
    /// Errors: the socket is broken.
    pub fn work(mut self) -> Result<()> {
        while self.may_go_on()? {
            match self.receive() {
                Ok(()) => self.answer(),
                Err(errno) if is_passing(errno) => self.arrivals.clear(),
                Err(errno) => return Err(errno).context("cannot receive datagrams"),
            }
        }
        Ok(())
    }

    /// Waits for datagrams, if receiving them doesn't wait and that seems necessary. False: the server has been asked to stop.
    #[inline(always)]
    fn may_go_on(&self) -> Result<bool> {
        // After none or one, the next may take a while. Else some have come meanwhile, as a rule.
        if self.blocks || self.arrivals.len() >= LEAST_AT_ONCE {
            return Ok(!self.stop.is_asked());
        }
        Ok(datagram_comes(&self.socket, &self.stop, None)? != Wake::Stop)
    }

    /// Receives what has come, as far as there is room, and not much more than the last time.
    ///
    /// As long as nothing is to be told of a datagram but where it came from, `recvfrom` for each costs less than `recvmmsg`
    /// for all of them. When there are so many that some may well be lost, `recvmmsg` tells; where it was never asked, the account
    /// still has them, from the kernel's lists.
    #[inline(always)]
    fn receive(&mut self) -> Result<(), Errno> {
        let came = self.arrivals.len();
        let most = (2 * came).clamp(LEAST_AT_ONCE, MOST_AT_ONCE);
        if self.is_told {
            recvmmsg(&*self.socket, &mut self.rooms, most, &mut self.arrivals)?;
        } else {
            self.receive_one_by_one(most)?;
        }
        if self.stop.is_asked() {
            // A call that was woken for that brings what looks like an empty datagram from nowhere.
            self.arrivals.retain(|arrival| !Address::from(arrival.peer).is_nobody());
        }
        Ok(())
    }

    #[inline(always)]
    fn receive_one_by_one(&mut self, most: usize) -> Result<(), Errno> {
        self.arrivals.clear();
        let mut next = recvfrom(&*self.socket, self.rooms.room(0));
        loop {
            match next {
                Ok((length, peer)) => {
                    let peer = peer.internet().expect("a socket of the internet hears from there only");
                    self.arrivals.push(Arrival::plain(length, peer));
                }
                Err(errno) if self.arrivals.is_empty() => return Err(errno),
                // If it is more than that there are none, the next call says so again.
                Err(_) => break,
            }
            if self.arrivals.len() == most {
                break;
            }
            next = recvfrom_now(&*self.socket, self.rooms.room(self.arrivals.len()));
        }
        let bytes: usize = self.arrivals.iter().map(|arrival| arrival.length).sum();
        let is_full = self.arrivals.len() == MOST_AT_ONCE || bytes >= MANY_BYTES;
        self.full_batches = if is_full { self.full_batches + 1 } else { 0 };
        if self.full_batches == MANY_BATCHES {
            self.be_told();
        }
        Ok(())
    }

    /// From now on, takes datagrams that are glued together as they are. It is for good: what would stand glued in the socket's
    /// queue when that ended, nobody would tell.
    #[cold]
    fn be_told(&mut self) {
        // An old kernel can't, and hands each over by itself.
        let _ = take_glued(&*self.socket);
        let _ = count_drops(&*self.socket);
        self.is_told = true;
    }

    /// Answers all that has come.
    #[inline(always)]
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
        self.send();
    }
}
