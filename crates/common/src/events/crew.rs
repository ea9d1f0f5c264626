//! The loops of a server together: a thread for each, the bound on all their connections, and handing one over.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::ScopedJoinHandle;

use anyhow::{Context, Result, anyhow};
use mio::{Poll, Waker};

use super::{EventLoop, INBOX, Service};
use crate::address::Address;
use crate::berkeley::OwnedFd;

/// What the loops of a server have in common: the bound on their connections, and a way to hand one over.
pub struct Crew {
    open: AtomicUsize,
    most_connections: usize,
    inboxes: Vec<Inbox>,
}

/// Connections on their way from the loop that accepts to another one.
struct Inbox {
    /// None: the loop has ended.
    connections: Mutex<Option<Vec<(OwnedFd, Address)>>>,
    waker: Waker,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<(OwnedFd, Address)>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crew {
    /// So many loops, with at most so many connections in all, and the event queue for each.
    ///
    /// Errors: no descriptor left for them.
    pub fn new(loops: usize, most_connections: usize) -> Result<(Crew, Vec<Poll>)> {
        let mut crew = Crew { open: AtomicUsize::new(0), most_connections, inboxes: Vec::new() };
        let mut polls = Vec::new();
        for _ in 0..loops {
            let poll = Poll::new().context("cannot make an event queue")?;
            let waker = Waker::new(poll.registry(), INBOX).context("cannot make an event queue")?;
            crew.inboxes.push(Inbox { connections: Mutex::new(Some(Vec::new())), waker });
            polls.push(poll);
        }
        Ok((crew, polls))
    }

    /// How many loops there are.
    pub(super) fn loops(&self) -> usize {
        self.inboxes.len()
    }

    /// A connection is accepted.
    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no more connections are to be accepted.
    pub(super) fn is_full(&self) -> bool {
        self.open.load(Ordering::Relaxed) >= self.most_connections
    }

    /// Whether there is one connection more than there may be.
    pub(super) fn has_one_too_many(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.most_connections
    }

    /// A connection is closed. If it was the one too many, the loop that accepts has to know.
    pub(super) fn closed(&self) {
        if self.open.fetch_sub(1, Ordering::Relaxed) == self.most_connections {
            // It fails only if that loop is gone, and then nobody is accepted any more.
            let _ = self.inboxes[0].waker.wake();
        }
    }

    /// Gives a connection to another loop. Returns it if that loop has ended meanwhile.
    pub(super) fn hand_over(&self, to: usize, connection: OwnedFd, peer: Address) -> Option<(OwnedFd, Address)> {
        let inbox = &self.inboxes[to];
        let mut connections = inbox.lock();
        let Some(waiting) = &mut *connections else { return Some((connection, peer)) };
        waiting.push((connection, peer));
        let is_first = waiting.len() == 1;
        drop(connections);
        // With the first, the loop was told of all that come until it takes them.
        if is_first {
            let _ = inbox.waker.wake();
        }
        None
    }

    /// The connections that were given to this loop.
    pub(super) fn take(&self, own: usize) -> Vec<(OwnedFd, Address)> {
        self.inboxes[own].lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// This loop ends, and is given nothing any more. False: it has been given something that it has still to take.
    pub(super) fn leaves(&self, own: usize) -> bool {
        self.inboxes[own].lock().take_if(|connections| connections.is_empty()).is_some()
    }

    /// This loop is no more, whatever it has still to take: that is closed.
    pub(super) fn is_gone(&self, own: usize) {
        self.inboxes[own].lock().take();
    }
}

/// What a thread of a crew has to do.
pub type Work<'scope> = Box<dyn FnOnce() -> Result<()> + Send + 'scope>;

/// Runs the loops of a crew, the first in this thread and each other one in a thread of its own, which the program `start`s;
/// with one loop, there is no other thread. The server is `ready` when all threads are there. Returns when all loops have ended.
///
/// Errors: a thread can't be started, and then no loop runs. Or the listener or an event queue is broken, or a loop has panicked:
/// that was told when it occurred, and all loops have ended as if the server had been asked to stop.
pub fn run_all<'scope, S: Service + 'scope>(
    loops: Vec<EventLoop<'scope, S>>,
    start: impl Fn(Work<'scope>) -> io::Result<ScopedJoinHandle<'scope, Result<()>>>,
    ready: impl FnOnce(),
) -> Result<()>
where
    EventLoop<'scope, S>: Send,
{
    let mut loops = loops.into_iter();
    let Some(first) = loops.next() else { return Ok(()) };
    let mut idle = Vec::new();
    for other in loops {
        // A thread has its loop only when all threads are there. If one can't be started, the others end without one.
        let (to_thread, own) = mpsc::channel();
        let work = move || own.recv().map_or(Ok(()), run);
        idle.push((start(Box::new(work)).context("cannot start a thread")?, to_thread, other));
    }
    ready();
    let mut threads = Vec::new();
    for (thread, to_thread, other) in idle {
        drop(to_thread.send(other));
        threads.push(thread);
    }
    let ended = run(first);
    threads
        .into_iter()
        .fold(ended, |ended, thread| ended.and(thread.join().unwrap_or_else(|panic| resume_unwind(panic))))
}

/// Runs a loop to its end. If that comes too early, says so, and the others end too.
fn run<S: Service>(own: EventLoop<S>) -> Result<()> {
    let stop = &own.patience.stop;
    // Nothing of the loop is left behind.
    let ended = catch_unwind(AssertUnwindSafe(|| own.run()));
    let ended = ended.unwrap_or_else(|_| Err(anyhow!("cannot go on: a thread has panicked")));
    ended.map_err(|error| stop.fail(S::PROGRAM, error))
}
