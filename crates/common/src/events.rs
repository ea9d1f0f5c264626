//! One thread for many connections: the event loop, which asks the kernel what is ready and does only that.
//!
//! The loop knows when a connection may go on, and the program's [`Service`] knows what it does then. It waits with epoll
//! or kqueue, through `mio`, and is told of *changes* only ("edge-triggered"): a service that is told that input has come
//! reads until there is none, or says that it will go on later.
//!
//! Everything is bounded: how many connections there are, how much is done for one before the next has its turn, how long
//! one may be silent, and how long the last may take when the server is asked to stop.

mod accepting;
mod crew;
mod farewell;
mod idle;
mod service;
mod urgent;

pub use crew::{Crew, Work, run_all};
pub use service::{Clock, Next, Service};

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::num::NonZero;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::fd::AsRawFd;
use slab::Slab;

use crate::berkeley::{OwnedFd, close};
use crate::signal::Requests;
use crate::wait::Patience;

use accepting::Accepting;
use idle::{IdleLists, Link};
use urgent::INPUT;

const LISTENER: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);
const INBOX: Token = Token(usize::MAX - 2);
const REQUEST: Token = Token(usize::MAX - 3);

/// How many events to take from the kernel at once.
const EVENTS: usize = 1024;
/// How long those that always have more to do may have their turns, one after the other, before the kernel is asked who else
/// is ready.
const BUSY: Duration = Duration::from_millis(1);

struct Entry<C> {
    connection: OwnedFd,
    link: Link,
    /// The kernel tells of room to send as well.
    sends: bool,
    /// It is among the busy.
    is_busy: bool,
    /// Its client has sent its last byte.
    ended: bool,
    /// Its client has sent urgent data: what a service has not received, the kernel need not tell once more.
    is_urgent: bool,
    /// It was given up: which of those that linger it is.
    farewell: Option<NonZero<u32>>,
    conversation: C,
}

/// An event loop.
pub struct EventLoop<'a, S: Service> {
    service: S,
    patience: &'a Patience,
    crew: &'a Crew,
    /// Which of the crew this is.
    own: usize,
    poll: Poll,
    accepting: Option<Accepting>,
    requests: Option<&'a Requests>,
    connections: Slab<Entry<S::Conversation>>,
    idle: IdleLists,
    /// Those that have more to do than their turn allowed, each once.
    busy: VecDeque<usize>,
    /// Those that were given up, and until when they may linger, in the order of that. Those that have ended meanwhile are among
    /// them, and what they had in the table may be another's: the number tells.
    lingering: VecDeque<(Instant, usize, NonZero<u32>)>,
    farewells: NonZero<u32>,
    /// The server has been asked to stop, and all connections know.
    stopping: bool,
    drained: bool,
    /// No connection will come any more.
    finished: bool,
    /// Why the server stops, if it is for a fault of this loop's.
    failure: Option<Error>,
}

impl<'a, S: Service> EventLoop<'a, S> {
    /// Number `own` of the crew's loops, with its event queue.
    ///
    /// Errors: as epoll_ctl(2).
    pub fn new(service: S, patience: &'a Patience, crew: &'a Crew, own: usize, poll: Poll) -> Result<Self> {
        let stop = patience.stop.pipe().as_raw_fd();
        poll.registry().register(&mut SourceFd(&stop), STOP, Interest::READABLE).context("cannot watch for signals")?;
        let idle = IdleLists::new(&service.allowances(patience));
        Ok(EventLoop {
            service,
            patience,
            crew,
            own,
            poll,
            accepting: None,
            requests: None,
            connections: Slab::new(),
            idle,
            busy: VecDeque::new(),
            lingering: VecDeque::new(),
            farewells: NonZero::<u32>::MIN,
            stopping: false,
            drained: false,
            finished: false,
            failure: None,
        })
    }

    /// Lets this loop answer the requests, by [`Service::requested`], as long as it runs. With one loop, the process needs no other
    /// thread for them, with which each system call would cost more.
    ///
    /// Errors: as epoll_ctl(2) and ioctl(2).
    pub fn answer_requests(&mut self, requests: &'a Requests) -> Result<()> {
        let pipe = requests.without_waiting()?.as_raw_fd();
        let registered = self.poll.registry().register(&mut SourceFd(&pipe), REQUEST, Interest::READABLE);
        registered.context("cannot watch for signals")?;
        self.requests = Some(requests);
        Ok(())
    }

    /// Runs until the server has been asked to stop and the last connection is closed.
    ///
    /// Errors: the event queue or the listener is, or was, broken.
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut now = Instant::now();
        while !(self.finished && self.connections.is_empty() && self.crew.leaves(self.own)) {
            let timeout = self.timeout(now);
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                // By a stop and a continuation, say. What is late is late, however often that happens; but who spoke meanwhile
                // is heard. A look that doesn't wait is not interrupted.
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    events.clear();
                    let _ = self.poll.poll(&mut events, Some(Duration::ZERO));
                }
                Err(error) => return Err(error).context("cannot wait for events"),
            }
            now = Instant::now();
            self.idle.tick(now);
            let mut handed_over = false;
            for event in &events {
                match event.token() {
                    LISTENER => self.clients_wait(),
                    INBOX => handed_over = true,
                    STOP => {}
                    REQUEST => self.take_requests(),
                    Token(key) => {
                        if event.is_priority() {
                            self.hurries(key);
                        }
                        self.go_on(key, event.is_read_closed() || event.is_error());
                    }
                }
            }
            self.accept_some(now);
            if handed_over {
                self.take_from_inbox();
            }
            self.go_on_with_the_busy();
            if self.patience.stop.is_asked() && !self.stopping {
                self.stop();
            }
            self.give_up_the_late(now);
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Those that came since the last time have one answer.
    fn take_requests(&self) {
        if self.requests.is_some_and(Requests::take_all) {
            self.service.requested();
        }
    }

    /// How long to wait for events at most; None: for ever.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        let accepting = self.accepting.as_ref().filter(|accepting| accepting.clients_wait);
        let may_accept = accepting.filter(|_| !self.crew.is_full() || self.to_spare().is_some());
        if !self.busy.is_empty() || may_accept.is_some_and(|accepting| accepting.not_before.is_none()) {
            return Some(Duration::ZERO);
        }
        let pause = may_accept.and_then(|accepting| accepting.not_before);
        let linger = self.lingering.front().map(|(until, ..)| *until);
        let drain = self.patience.drain_until().filter(|_| !self.drained);
        let next = [pause, linger, drain, self.idle.next_deadline()].into_iter().flatten().min();
        // Rounded up: waking a moment too early, there would be nothing to do yet.
        next.map(|next| next.saturating_duration_since(now) + Duration::from_millis(1))
    }

    /// Those that had more to do have another turn each, as far as the time allows. However many they are, whoever else is ready
    /// waits for a turn or two of theirs.
    #[inline(never)]
    fn go_on_with_the_busy(&mut self) {
        if self.busy.is_empty() {
            return;
        }
        let began = Instant::now();
        for _ in 0..self.busy.len() {
            let Some(key) = self.busy.pop_front() else { return };
            self.connections[key].is_busy = false;
            self.go_on(key, false);
            if began.elapsed() >= BUSY {
                return;
            }
        }
    }

    /// A connection's turn. Part of the loop, as a service's short ways should be: a function that has made a system call
    /// returns dearly on a processor that forgets meanwhile where to (Linux's `spec_rstack_overflow`, `retbleed`). With one such
    /// return, an echo cost a fifth more.
    #[inline(always)]
    fn go_on(&mut self, key: usize, ended: bool) {
        // One that was closed a moment ago may still have an event.
        let Some(entry) = self.connections.get_mut(key) else { return };
        entry.ended |= ended;
        if entry.is_busy {
            // Its turn comes: else who sends without a pause would have one for each piece that arrives.
            return;
        }
        let is_urgent = entry.is_urgent;
        let next = self.service.go_on(&mut entry.conversation, &entry.connection, entry.ended);
        if entry.farewell.is_none() && next != Next::Close {
            let clock = self.service.clock(&mut entry.conversation);
            self.idle.touch(key, clock, &mut self.connections);
        }
        if next != Next::Input || is_urgent {
            self.is_next(key, next);
        }
    }

    #[inline(never)]
    fn is_next(&mut self, key: usize, next: Next) {
        match next {
            Next::Input => self.has_more_if_urgent(key),
            Next::Turn => self.has_more(key),
            Next::Room => {
                let entry = &mut self.connections[key];
                if !entry.sends {
                    entry.sends = true;
                    let (fd, both) = (entry.connection.as_raw_fd(), INPUT | Interest::WRITABLE);
                    if self.poll.registry().reregister(&mut SourceFd(&fd), Token(key), both).is_err() {
                        self.close(key);
                    }
                }
            }
            Next::End => {
                self.linger(key);
                self.has_more(key);
            }
            Next::Close => self.close(key),
        }
    }

    /// A connection is to have another turn, after the others.
    fn has_more(&mut self, key: usize) {
        if !std::mem::replace(&mut self.connections[key].is_busy, true) {
            self.busy.push_back(key);
        }
    }

    fn close(&mut self, key: usize) {
        self.idle.remove(key, &mut self.connections);
        // Closed, it leaves the event queue by itself: see epoll(7).
        let entry = self.connections.remove(key);
        if entry.is_busy {
            self.busy.retain(|busy| *busy != key);
        }
        self.close_one(entry.connection);
    }

    fn close_one(&mut self, connection: OwnedFd) {
        close(connection);
        self.crew.closed();
    }
}

#[cfg(test)]
mod tests;
