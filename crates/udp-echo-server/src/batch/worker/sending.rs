//! What the replies leave with: trains that are cut by the kernel, and single ones.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::ops::Range;

use common::Errno;
use common::address::Address;
use common::berkeley::sendto;
use common::datagrams::{sendmmsg, sendmsg_cut, sendmsg_parts, set_cut};
use common::packet_info::sendmsg;

use super::Worker;
use crate::batch::trains::Reply;
use crate::simple::has_room;

/// Who sends so many of one length one after the other may have handed them to the kernel in one piece. Fewer are as often a
/// window of single ones.
const LONG_TRAIN: usize = 16;
/// The parts of so many replies need no memory of their own.
const FEW: usize = 8;

impl Worker {
    /// Sends the replies, in the trains that are made up.
    #[inline(always)]
    pub(super) fn send(&mut self) {
        let mut alone = 0..0;
        self.has_waited = false;
        for number in 0..self.trains.len() {
            let train = self.trains[number].clone();
            let goes_alone = !self.cuts || train.len() == 1;
            if train.len() >= LONG_TRAIN && !self.is_told {
                self.be_told();
            }
            if self.has_waited {
                self.give_up(train);
            } else if goes_alone && alone.is_empty() {
                alone = train;
            } else if goes_alone {
                alone.end = train.end;
            } else {
                self.send_alone(std::mem::replace(&mut alone, 0..0));
                if self.has_waited { self.give_up(train) } else { self.send_train(train) }
            }
        }
        self.send_alone(alone);
    }

    /// Sends a train of replies; if it can't be sent as such, each of them alone.
    #[inline(always)]
    fn send_train(&mut self, train: Range<usize>) {
        let first = &self.replies[train.start];
        let segment = u16::try_from(first.length(self.prefix_bytes)).expect("a train's replies are short");
        // For those that need not come from a certain address, it is said once for the socket, as long as they have one length.
        // But not for a socket that others have too: what they send is to stay whole.
        let is_said_once = self.blocks && self.arrivals[first.to].asked.is_none();
        if is_said_once && self.cut != segment && set_cut(&*self.socket, segment).is_ok() {
            self.cut = segment;
        }
        let replies = &self.replies[train.clone()];
        let to = &self.arrivals[replies[0].to];
        let (mut few, mut count, mut many) = ([IoSlice::new(&[]); 2 * FEW], 0, Vec::new());
        let piece: &[IoSlice] = if replies.len() <= FEW {
            self.lay_out(replies, |part| {
                few[count] = part;
                count += 1;
            });
            &few[..count]
        } else {
            self.lay_out(replies, |part| many.push(part));
            &many
        };
        let sent = if is_said_once && self.cut == segment {
            sendmsg_parts(&*self.socket, piece, &to.peer)
        } else {
            sendmsg_cut(&*self.socket, piece, segment, &to.peer, to.asked.as_ref())
        };
        match sent {
            Ok(_) => self.sent(replies),
            Err(Errno::AGAIN) if self.blocks => self.give_up(train),
            Err(errno) => {
                // No checksums are made on the way, or the kernel is too old: that will not change.
                self.cuts = !matches!(errno, Errno::IO | Errno::OPNOTSUPP | Errno::NOPROTOOPT);
                self.stop_cutting();
                self.send_alone(train);
            }
        }
    }

    /// The parts of a train, those that stand one behind the other in one.
    #[inline(always)]
    fn lay_out<'a>(&'a self, replies: &[Reply], mut put: impl FnMut(IoSlice<'a>)) {
        let mut part = 0..0;
        let bytes = self.rooms.bytes();
        for reply in replies {
            let whole = reply.whole(self.prefix_bytes);
            if part.end == whole.start && reply.has_prefix(self.prefix_bytes) {
                part.end = whole.end;
                continue;
            }
            if !part.is_empty() {
                put(IoSlice::new(&bytes[part]));
            }
            if !reply.has_prefix(self.prefix_bytes) {
                put(IoSlice::new(self.server.prefix.as_bytes()));
            }
            part = whole;
        }
        put(IoSlice::new(&bytes[part]));
    }

    /// What is sent stays whole from now on.
    #[cold]
    fn stop_cutting(&mut self) {
        if std::mem::take(&mut self.cut) > 0 {
            // It was possible to begin, so it is possible to end.
            let _ = set_cut(&*self.socket, 0);
        }
    }

    /// Sends replies that have nothing in common but that they are sent at once, if only their source is the same.
    #[inline(always)]
    fn send_alone(&mut self, mut alone: Range<usize>) {
        let mut may_wait = true;
        while !alone.is_empty() {
            let first = &self.replies[alone.start];
            let asked = &self.arrivals[first.to].asked;
            // As with receiving: for a plain one, no call costs less than the plain one.
            let is_plain = first.has_prefix(self.prefix_bytes) && (asked.is_none() || alone.len() == 1);
            if self.cut > 0 && !(is_plain && first.length(self.prefix_bytes) <= self.cut.into()) {
                self.stop_cutting();
            }
            let replies = &self.replies[alone.clone()];
            let asked = &self.arrivals[replies[0].to].asked;
            let sent = if is_plain {
                self.send_one(&replies[0])
            } else {
                let alike = replies.iter().take_while(|reply| self.arrivals[reply.to].asked == *asked);
                let messages: Vec<_> = alike.map(|reply| self.message(reply)).collect();
                sendmmsg(&*self.socket, &messages, asked.as_ref())
            };
            match sent {
                Ok(count) => {
                    self.sent(&replies[..count]);
                    may_wait = true;
                }
                // Cutting has conditions, even if there is nothing to cut.
                Err(Errno::INVAL | Errno::IO | Errno::MSGSIZE) if self.cut > 0 => {
                    self.stop_cutting();
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) if self.blocks => return self.give_up(alone),
                Err(Errno::AGAIN) if std::mem::take(&mut may_wait) && has_room(&self.socket, &self.stop) => continue,
                Err(errno) => self.not_sent(errno, &replies[0]),
            }
            alone.start += sent.unwrap_or(1);
        }
    }

    /// Sends the one reply that there is.
    #[inline(always)]
    fn send_one(&self, reply: &Reply) -> Result<usize, Errno> {
        let (to, data) = (&self.arrivals[reply.to], &self.rooms.bytes()[reply.whole(self.prefix_bytes)]);
        let sent = match &to.asked {
            Some(asked) => sendmsg(&*self.socket, data, &to.peer, asked),
            None => sendto(&*self.socket, data, &to.peer.into()),
        };
        sent.map(|_| 1)
    }

    /// A reply as one of many.
    fn message(&self, reply: &Reply) -> ([IoSlice<'_>; 2], SocketAddr) {
        let before = if reply.has_prefix(self.prefix_bytes) { &[] } else { self.server.prefix.as_bytes() };
        let data = &self.rooms.bytes()[reply.whole(self.prefix_bytes)];
        ([IoSlice::new(before), IoSlice::new(data)], self.arrivals[reply.to].peer)
    }

    /// A call has waited for room as long as may be: these replies are lost, and those behind them are not to wait as long again.
    #[cold]
    fn give_up(&mut self, replies: Range<usize>) {
        self.has_waited = true;
        self.replies[replies].iter().for_each(|reply| self.not_sent(Errno::AGAIN, reply));
    }

    /// A reply has not left.
    #[cold]
    fn not_sent(&self, errno: Errno, reply: &Reply) {
        let peer = Address::Internet(self.arrivals[reply.to].peer);
        self.server.tally.not_sent(errno, &peer, reply.length(self.prefix_bytes));
    }

    /// These replies have left.
    #[inline(always)]
    fn sent(&self, replies: &[Reply]) {
        self.server.tally.answered.add(replies.len() as u64);
        for reply in replies.iter().filter(|_| self.server.verbose) {
            let peer = self.arrivals[reply.to].peer.into();
            self.server.show(&self.rooms.bytes()[reply.data.clone()], &peer);
        }
    }
}
