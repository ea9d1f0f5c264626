//! One thread for many clients: it asks the kernel who has something to say, and turns to each for a moment.
//!
//! A small step from `threads.rs` in what is done, `recv` and `send`, and a large one in who decides when. A thread may wait
//! in the middle of its client's affairs; here nobody waits, so what a client has still to get is kept until there is room,
//! and nothing more is read from it until then. The loop itself, which tiny-web shares, is `common::events`.

use std::num::NonZero;
use std::thread;

use anyhow::Result;
use common::address::{Address, Peer};
use common::berkeley::{OwnedFd, Shutdown, recv, send, shutdown};
use common::events::{Crew, EventLoop, Next, Service, run_all};
use common::wait::GaveUp;
use common::{Errno, exit, listener, log};

use crate::echo::Echo;

/// How often a client that always has more may be served in a row, before the others have their turn.
const PIECES_A_TURN: usize = 16;

/// Descriptors that are not connections: stdin, stdout, stderr, the listener, the signals' pipes (6), a trace file, and
/// one or two to spare; and two for each loop.
const OTHER_DESCRIPTORS: usize = 13;
const DESCRIPTORS_A_LOOP: usize = 2;

/// Serves up to `most` clients at once with so many loops, until the server is asked to stop; then returns when the last has
/// gone. None: as many clients as there are descriptors for, and a loop for each processor. The first answers SIGUSR1. What
/// can fail is made before the server is `ready`.
///
/// Errors: no descriptors or threads left for the loops; the listening socket or an event queue is broken.
pub fn serve(
    listener: OwnedFd,
    echo: &Echo,
    most: Option<usize>,
    workers: Option<u16>,
    ready: impl FnOnce(),
) -> Result<()> {
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    let workers = if echo.once { 1 } else { workers.map_or_else(processors, usize::from) };
    let others = OTHER_DESCRIPTORS + workers * DESCRIPTORS_A_LOOP;
    let most = listener::most_connections(crate::NAME, most, 1, others);
    let (crew, polls) = Crew::new(workers, most)?;
    let mut loops = Vec::new();
    for (own, poll) in polls.into_iter().enumerate() {
        let service = EchoService { echo, buffer: echo.prefix.buffer(echo.buffer_bytes) };
        loops.push(EventLoop::new(service, &echo.patience, &crew, own, poll)?);
    }
    loops[0].answer_requests(&echo.requests)?;
    listener::leave_one_for_a_client(&listener)?;
    loops[0].accept_from(listener, echo.once)?;
    thread::scope(|scope| run_all(loops, |work| thread::Builder::new().spawn_scoped(scope, work), ready))
}

/// The echo, with one buffer for all clients of a loop: nothing is kept in it from one turn to the next.
struct EchoService<'a> {
    echo: &'a Echo,
    /// The prefix, and room behind it.
    buffer: Vec<u8>,
}

/// What is remembered of a client.
struct Conversation {
    /// What it has still to get; None for nearly everybody, nearly always.
    unsent: Option<Box<Unsent>>,
    peer: Peer,
    given_up: bool,
}

/// The rest of a reply that didn't fit between us and the client.
struct Unsent {
    data: Vec<u8>,
    sent: usize,
}

impl Service for EchoService<'_> {
    const PROGRAM: &'static str = crate::NAME;
    type Conversation = Conversation;

    fn begin(&mut self, _connection: &OwnedFd, peer: &Address) -> Option<Conversation> {
        self.echo.counters.connections.add(1);
        if self.echo.verbose {
            log::client(crate::NAME, format_args!("{peer} has come"));
        }
        Some(Conversation { unsent: None, peer: peer.into(), given_up: false })
    }

    fn refused(&mut self, conversation: &mut Conversation, errno: Errno) {
        self.echo.counters.refused.add(1);
        let (peer, cause) = (&conversation.peer, exit::plain(errno));
        log::client(crate::NAME, format_args!("refused {peer}: the event queue has no room for it: {cause}"));
    }

    #[inline(always)]
    fn go_on(&mut self, conversation: &mut Conversation, connection: &OwnedFd, ended: bool) -> Next {
        let turn = if conversation.given_up {
            self.ignore(connection)
        } else {
            self.send_back(conversation, connection, ended)
        };
        if self.echo.verbose && turn == Ok(Next::Close) {
            log::client(crate::NAME, format_args!("{} has finished", conversation.peer));
        }
        turn.unwrap_or_else(|(call, errno)| {
            self.echo.counters.broke(errno);
            log::client(crate::NAME, format_args!("lost {}: cannot {call}: {}", conversation.peer, exit::plain(errno)));
            Next::Close
        })
    }

    /// SIGUSR1 asks how things are.
    fn requested(&self) {
        log::line(crate::NAME, &self.echo.counters);
    }

    fn give_up(&mut self, conversation: &mut Conversation, connection: &OwnedFd, why: GaveUp) -> Next {
        if matches!(why, GaveUp::Idle(_)) && self.still_reads(conversation, connection) {
            return Next::Room;
        }
        self.echo.counters.gave_up(why);
        log::client(crate::NAME, format_args!("lost {}: {why}", conversation.peer));
        conversation.given_up = true;
        conversation.unsent = None;
        if shutdown(connection, Shutdown::Write).is_ok() { Next::Turn } else { Next::Close }
    }
}

/// Which call failed, and how.
type Failure = (&'static str, Errno);

impl EchoService<'_> {
    /// First what is left to send; then `recv` and `send`, until there is no more input or no more room.
    #[inline(always)]
    fn send_back(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
        ended: bool,
    ) -> Result<Next, Failure> {
        if let Some(unsent) = &mut conversation.unsent {
            unsent.sent += self.send_some(connection, &unsent.data[unsent.sent..])?;
            if unsent.sent < unsent.data.len() {
                return Ok(Next::Room);
            }
            conversation.unsent = None;
        }
        let prefix_bytes = self.echo.prefix.as_bytes().len();
        for _ in 0..PIECES_A_TURN {
            let length = match recv(connection, &mut self.buffer[prefix_bytes..]) {
                Ok(0) => return Ok(Next::Close),
                Ok(length) => length,
                Err(Errno::AGAIN) => return Ok(Next::Input),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(("receive", errno)),
            };
            self.echo.counters.received.add(length);
            let reply = &self.buffer[..prefix_bytes + length];
            let sent = self.send_some(connection, reply)?;
            if sent < reply.len() {
                conversation.unsent = Some(Box::new(Unsent { data: reply[sent..].to_vec(), sent: 0 }));
                return Ok(Next::Room);
            }
            // Less than there was room for: that was all. What comes now, the kernel tells.
            if length < self.buffer.len() - prefix_bytes && !ended {
                return Ok(Next::Input);
            }
        }
        Ok(Next::Turn)
    }

    /// Whether a client takes at least something of what is left for it. The kernel tells of room only when there's plenty: a
    /// client that reads slowly may take longer than it may be silent.
    fn still_reads(&self, conversation: &mut Conversation, connection: &OwnedFd) -> bool {
        let Some(unsent) = &mut conversation.unsent else { return false };
        let sent = self.send_some(connection, &unsent.data[unsent.sent..]).unwrap_or(0);
        unsent.sent += sent;
        sent > 0
    }

    /// Reads on for a client that was given up, so that its last replies aren't destroyed by a reset.
    #[cold]
    fn ignore(&mut self, connection: &OwnedFd) -> Result<Next, Failure> {
        match recv(connection, &mut self.buffer[self.echo.prefix.as_bytes().len()..]) {
            Ok(0) => Ok(Next::Close),
            Ok(_) | Err(Errno::INTR) => Ok(Next::Turn),
            Err(Errno::AGAIN) => Ok(Next::Input),
            Err(errno) => Err(("receive", errno)),
        }
    }

    /// Sends as much as there is room for.
    #[inline(always)]
    fn send_some(&self, connection: &OwnedFd, data: &[u8]) -> Result<usize, Failure> {
        let mut sent = 0;
        while sent < data.len() {
            match send(connection, &data[sent..]) {
                Ok(taken) => sent += taken,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(("send", errno)),
            }
        }
        self.echo.counters.sent.add(sent);
        Ok(sent)
    }
}
