//! The event loops, a thread for each: they accept and wait, and `web.rs` does what there is to do.

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

/// How much there may be of everything.
pub struct Bounds {
    /// Connections,
    pub most: usize,
    /// and of those, an address's.
    pub per_address: usize,
    /// Event loops.
    pub loops: usize,
    /// Large files that a loop keeps open.
    pub open_files: usize,
}

/// Serves clients until the server is asked to stop; then returns when the last has gone.
///
/// Errors: the listening socket or an event queue is broken.
pub fn serve(listener: OwnedFd, server: &Server, bounds: &Bounds) -> Result<()> {
    let (crew, polls) = Crew::new(bounds.loops, bounds.most)?;
    let mut loops = Vec::new();
    for (own, poll) in polls.into_iter().enumerate() {
        let answers = Answers { site: &server.site, cache: Cache::new(bounds.open_files), now: std::time::UNIX_EPOCH };
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
