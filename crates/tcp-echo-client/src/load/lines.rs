//! The connections of a load: opening them, and opening those again that are lost.
//!
//! `socket` and `connect` as anywhere, but without waiting: the event loop tells when the handshake is done.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use common::address::Address;
use common::berkeley::{OwnedFd, SocketType, close, connect, socket};
use common::measure::ns;
use common::sockopt::{set_nonblocking, take_error};
use common::stats::{Tally, Trouble};
use common::{Errno, berkeley::AsFd};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::os::fd::AsRawFd;

use crate::connect as connecting;
use crate::flow::Flow;

/// So many handshakes go on at once: a server's queue has a limit, and a SYN that finds no place in it is sent again only a
/// second later.
const HANDSHAKES_AT_ONCE: usize = 64;
/// How long after a failure to try again.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection, or the place of one.
pub enum Line {
    /// Not there, or no longer.
    Down,
    /// The handshake goes on.
    Connecting { connection: OwnedFd, began: Instant },
    /// Established.
    Open(Flow),
}

/// All the connections. An event's token is the index of its line.
pub struct Lines {
    pub all: Vec<Line>,
    peer: Address,
    timeout: Duration,
    registry: Registry,
    /// Those that are down, and not to be opened before a moment, in the order of that.
    waiting: VecDeque<(Instant, usize)>,
    connecting: usize,
    /// When an attempt failed and nothing was open; nothing has been since.
    dead_since: Option<Instant>,
    open: usize,
}

impl Lines {
    /// As many lines as are wanted, all down.
    pub fn new(count: usize, peer: Address, timeout: Duration, registry: Registry) -> Lines {
        let now = Instant::now();
        let all = std::iter::repeat_with(|| Line::Down).take(count).collect();
        let waiting = (0..count).map(|key| (now, key)).collect();
        Lines { all, peer, timeout, registry, waiting, connecting: 0, dead_since: None, open: 0 }
    }

    /// Whether there is a line that is neither open, nor was it tried since `began`.
    pub fn is_opening(&self, began: Instant) -> bool {
        self.connecting > 0 || self.waiting.front().is_some_and(|(moment, _)| *moment <= began)
    }

    /// Whether the server can't be reached: for as long as a reply may take nothing was open, and attempts have failed.
    pub fn is_dead(&self) -> bool {
        self.dead_since.is_some_and(|since| since.elapsed() >= self.timeout)
    }

    /// Takes a connection that is established already for the first line that waits.
    ///
    /// Errors: as epoll_ctl(2) and setsockopt(2).
    pub fn put(&mut self, connection: OwnedFd) -> Result<(), Errno> {
        if let Some((_, key)) = self.waiting.pop_front() {
            connecting::prepare(&connection, &self.peer)?;
            self.register(&connection, key)?;
            self.established(key, connection);
        }
        Ok(())
    }

    /// Begins the handshakes that may begin now.
    pub fn open_some(&mut self, tally: &mut Tally) {
        let now = Instant::now();
        while self.connecting < HANDSHAKES_AT_ONCE
            && let Some(&(_, key)) = self.waiting.front().filter(|(moment, _)| *moment <= now)
        {
            self.waiting.pop_front();
            match self.begin(key) {
                Ok(connection) => {
                    self.connecting += 1;
                    self.all[key] = Line::Connecting { connection, began: now };
                }
                Err(errno) => self.failed(key, errno, tally),
            }
        }
    }

    fn begin(&self, key: usize) -> Result<OwnedFd, Errno> {
        let connection = socket(self.peer.family(), SocketType::STREAM)?;
        let begun = set_nonblocking(&connection)
            .and_then(|()| connecting::prepare(&connection, &self.peer))
            .and_then(|()| match connect(&connection, &self.peer) {
                Err(Errno::INPROGRESS) => Ok(()),
                result => result,
            })
            .and_then(|()| self.register(&connection, key));
        match begun {
            Ok(()) => Ok(connection),
            Err(errno) => {
                close(connection);
                Err(errno)
            }
        }
    }

    /// Both directions from the start: the kernel tells of changes only, and room to send rarely changes.
    fn register(&self, connection: impl AsFd, key: usize) -> Result<(), Errno> {
        let fd = connection.as_fd().as_raw_fd();
        self.registry
            .register(&mut SourceFd(&fd), Token(key), Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
    }

    /// There is news of a line; if its handshake goes on, that is over. True: the line is open now, and was not before.
    pub fn handshake_done(&mut self, key: usize, tally: &mut Tally) -> bool {
        let line = std::mem::replace(&mut self.all[key], Line::Down);
        let Line::Connecting { connection, began } = line else {
            self.all[key] = line;
            return false;
        };
        self.connecting -= 1;
        match take_error(&connection) {
            Ok(()) => {
                tally.connect.record(ns(began.elapsed()));
                self.established(key, connection);
                true
            }
            Err(errno) => {
                close(connection);
                self.failed(key, errno, tally);
                false
            }
        }
    }

    fn established(&mut self, key: usize, connection: OwnedFd) {
        self.all[key] = Line::Open(Flow::new(connection));
        self.open += 1;
        self.dead_since = None;
    }

    /// Handshakes that take too long are given up.
    pub fn give_up_the_late(&mut self, tally: &mut Tally) {
        for key in 0..self.all.len() {
            if let Line::Connecting { began, .. } = &self.all[key]
                && began.elapsed() >= self.timeout
                && let Line::Connecting { connection, .. } = std::mem::replace(&mut self.all[key], Line::Down)
            {
                self.connecting -= 1;
                close(connection);
                self.failed(key, Errno::TIMEDOUT, tally);
            }
        }
    }

    /// Takes an open line down, to be opened again in a moment.
    pub fn take_down(&mut self, key: usize) -> Option<Flow> {
        let Line::Open(flow) = std::mem::replace(&mut self.all[key], Line::Down) else { return None };
        self.open -= 1;
        self.waiting.push_back((Instant::now() + PAUSE, key));
        Some(flow)
    }

    fn failed(&mut self, key: usize, errno: Errno, tally: &mut Tally) {
        tally.errors.count(Trouble::connecting(errno));
        if self.open == 0 {
            self.dead_since.get_or_insert_with(Instant::now);
        }
        self.waiting.push_back((Instant::now() + PAUSE, key));
    }
}
