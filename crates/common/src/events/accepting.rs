//! How connections come into a loop: the first of a crew accepts them, and hands them to all in turn.

use std::time::Instant;

use anyhow::{Context, Result};
use mio::unix::SourceFd;
use mio::{Interest, Token};
use rustix::fd::AsRawFd;

use super::idle::Link;
use super::{Entry, EventLoop, INPUT, LISTENER, Next, Service};
use crate::Errno;
use crate::address::Address;
use crate::berkeley::{OwnedFd, accept, close};
use crate::listener::AcceptTrouble;

/// How many clients to accept before the others have their turn.
const ACCEPTS_A_TURN: usize = 64;

/// The end where connections come in.
pub(super) struct Accepting {
    listener: OwnedFd,
    trouble: AcceptTrouble,
    /// A client may be waiting to be accepted.
    pub(super) clients_wait: bool,
    /// A shortage: not before this moment.
    pub(super) not_before: Option<Instant>,
    /// Which loop gets the next.
    turn: usize,
    /// The first client is the last.
    once: bool,
}

impl<S: Service> EventLoop<'_, S> {
    /// Lets this loop, the first of the crew, accept clients for all; `once`: only one, and then the loop ends with it.
    ///
    /// Errors: as epoll_ctl(2).
    pub fn accept_from(&mut self, listener: OwnedFd, once: bool) -> Result<()> {
        let fd = listener.as_raw_fd();
        let registered = self.poll.registry().register(&mut SourceFd(&fd), LISTENER, Interest::READABLE);
        registered.context("cannot watch for clients")?;
        let trouble = AcceptTrouble::new(S::PROGRAM);
        self.accepting = Some(Accepting { listener, trouble, clients_wait: true, not_before: None, turn: 0, once });
        Ok(())
    }

    pub(super) fn clients_wait(&mut self) {
        if let Some(accepting) = &mut self.accepting {
            accepting.clients_wait = true;
        }
    }

    /// `accept`, until no client waits, there is no place for one, or the others have waited long enough.
    pub(super) fn accept_some(&mut self, now: Instant) {
        for _ in 0..ACCEPTS_A_TURN {
            let Some(accepting) = &self.accepting else { return };
            if !accepting.clients_wait || accepting.not_before.is_some_and(|moment| moment > now) {
                return;
            }
            let spare = self.crew.is_full().then(|| self.to_spare());
            if spare == Some(None) {
                return;
            }
            let Some(accepting) = &mut self.accepting else { return };
            accepting.not_before = None;
            match accept(&accepting.listener) {
                Ok((connection, peer)) => {
                    accepting.trouble.over();
                    self.crew.opened();
                    let (to, once) = (accepting.turn, accepting.once);
                    if let Some(Some(spare)) = spare {
                        self.begin_instead(spare, connection, &peer);
                        continue;
                    }
                    accepting.turn = (to + 1) % self.crew.loops();
                    let ours = if to == self.own {
                        Some((connection, peer))
                    } else {
                        self.crew.hand_over(to, connection, peer)
                    };
                    if let Some((connection, peer)) = ours {
                        self.begin(connection, &peer);
                    }
                    if once {
                        self.stop_accepting();
                        self.finished = true;
                    }
                }
                Err(Errno::AGAIN) => accepting.clients_wait = false,
                Err(errno) => match accepting.trouble.failed(errno) {
                    Ok(pause) => accepting.not_before = pause.map(|pause| now + pause),
                    Err(error) => {
                        self.stop_accepting();
                        self.fail(error);
                    }
                },
            }
        }
    }

    /// The connection of this loop that can best be spared, if there is one. Who has more to do waits for us, and not we for it.
    pub(super) fn to_spare(&self) -> Option<usize> {
        let front = |list: &u8| self.idle.front(*list).filter(|key| !self.connections[*key].is_busy);
        S::GIVES_WAY.iter().find_map(front)
    }

    /// Serves a client in the place of another, which is closed only then: the new one may be refused, or be gone already with
    /// its answer. It is this loop's, or the loop would have none to spare soon.
    fn begin_instead(&mut self, spare: usize, connection: OwnedFd, peer: &Address) {
        self.begin(connection, peer);
        if self.crew.has_one_too_many() {
            self.close(spare);
        }
    }

    pub(super) fn take_from_inbox(&mut self) {
        for (connection, peer) in self.crew.take(self.own) {
            self.begin(connection, &peer);
        }
    }

    fn begin(&mut self, connection: OwnedFd, peer: &Address) {
        let Some(mut conversation) = self.service.begin(&connection, peer) else { return self.close_one(connection) };
        let mut next = Next::Input;
        if S::CLIENT_SPEAKS_FIRST {
            next = self.service.go_on(&mut conversation, &connection, false);
            if next == Next::Close {
                return self.close_one(connection);
            }
        }
        let clock = self.service.clock(&mut conversation);
        let entry = self.connections.vacant_entry();
        let (key, fd) = (entry.key(), connection.as_raw_fd());
        // What has come since its turn, the event queue tells at once.
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), Token(key), INPUT) {
            self.service.refused(&mut conversation, Errno::from_io_error(&error).unwrap_or(Errno::NOMEM));
            return self.close_one(connection);
        }
        let (link, sends, is_busy, ended, is_urgent, farewell) = (Link::default(), false, false, false, false, None);
        entry.insert(Entry { connection, link, sends, is_busy, ended, is_urgent, farewell, conversation });
        self.idle.push(key, clock.allowance, &mut self.connections);
        self.is_next(key, next);
    }

    pub(super) fn stop_accepting(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            close(accepting.listener);
        }
    }
}
