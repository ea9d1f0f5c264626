//! The event loops, a thread for each: they accept and wait, and `web.rs` does what there is to do.

use std::num::NonZero;
use std::thread;

use anyhow::{Context, Result};
use common::berkeley::OwnedFd;
use common::events::{Crew, EventLoop};

use crate::cache::Cache;
use crate::site::Answers;
use crate::web::{Server, Web};

/// Enough for a thread that does next to nothing. The system's usual 2 to 8 MiB would let memory be used up by address space
/// that is never touched.
pub const STACK_BYTES: usize = 256 * 1024;

/// Descriptors that are not for connections: stdin, stdout, stderr, the listener, the signals' pipes (5), the folder, the
/// logs, and one or two to spare; and two for each loop.
pub const OTHER_DESCRIPTORS: usize = 14;
pub const DESCRIPTORS_A_LOOP: usize = 2;

/// How many loops there are.
pub fn loops(wanted: Option<u16>) -> usize {
    wanted.map_or_else(|| thread::available_parallelism().map_or(1, NonZero::get), usize::from)
}

/// Serves up to `most` clients at once with so many loops, until the server is asked to stop; then returns when the last has
/// gone. Each loop keeps up to `most_open` large files open.
///
/// Errors: the listening socket or an event queue is broken.
pub fn serve(listener: OwnedFd, server: &Server, most: usize, loops: usize, most_open: usize) -> Result<()> {
    let (crew, polls) = Crew::new(loops, most)?;
    let mut loops = Vec::new();
    for (own, poll) in polls.into_iter().enumerate() {
        let answers = Answers { site: &server.site, cache: Cache::new(most_open), now: std::time::UNIX_EPOCH };
        loops.push(EventLoop::new(Web::new(server, answers), &server.patience, &crew, own, poll)?);
    }
    loops[0].accept_from(listener, crate::NAME, false)?;
    thread::scope(|scope| {
        let mut loops = loops.into_iter();
        let first = loops.next();
        let others: Vec<_> = loops
            .map(|other| thread::Builder::new().spawn_scoped(scope, || other.run()).context("cannot start a thread"))
            .collect::<Result<_>>()?;
        first.map_or(Ok(()), EventLoop::run)?;
        others.into_iter().try_for_each(|other| other.join().unwrap_or(Ok(())))
    })
}
