//! The event loops, a thread for each: they accept and wait, and `web.rs` does what there is to do.

use std::num::NonZero;
use std::thread;

use anyhow::Result;
use common::berkeley::OwnedFd;
use common::events::{Crew, EventLoop, run_all};
use common::listener;

use crate::options::Options;
use crate::web::{Server, Web};

/// Descriptors that are not for connections: stdin, stdout, stderr, the folder, the listener, the signals' pipe (5), and a client
/// that is about to take another's place; for a log, and opening it anew (4, but one of the signals' fewer); for a trace file; and
/// two for each loop.
const OTHER_DESCRIPTORS: usize = 11;
const DESCRIPTORS_OF_A_LOG: usize = 3;
const DESCRIPTORS_A_LOOP: usize = 2;
/// Of the others, one in eight is for a file that is sent; two at least. Should all of these be open, the answer is 503.
const FILES_SHARE: usize = 8;
const FILES_AT_LEAST: usize = 2;
/// Large files that a loop keeps open, where there are descriptors in plenty; where there aren't, one loop has to do.
const FILES_KEPT_OPEN: usize = 16;
const PLENTY: u64 = 1000;

/// Enough for a loop, in which no calls go deep. The usual 2 MiB would let memory be used up by address space that is never
/// touched.
const STACK_BYTES: usize = 256 * 1024;

/// What an address may have of the connections, but 8, as a browser opens six. Of very few, it may have half.
const SHARE: usize = 4;
const SHARE_AT_LEAST: usize = 8;

/// How much there may be of everything.
pub struct Bounds {
    /// Connections,
    most: usize,
    /// and of those, an address's.
    pub per_address: usize,
    /// Event loops.
    loops: usize,
    /// Large files that a loop keeps open.
    open_files: usize,
}

impl Bounds {
    /// What is asked for, as far as there are descriptors for it.
    pub fn new(options: &Options) -> Bounds {
        let limit = listener::raise_descriptor_limit();
        let has_plenty = limit.is_none_or(|limit| limit >= PLENTY);
        let processors = || if has_plenty { thread::available_parallelism().map_or(1, NonZero::get) } else { 1 };
        let loops = options.workers.map_or_else(processors, usize::from);
        let log = if options.log.is_some() { DESCRIPTORS_OF_A_LOG } else { 0 };
        let trace = usize::from(options.trace.trace_file.is_some());
        let files = limit.map_or(0, |limit| (limit as usize / FILES_SHARE).max(FILES_AT_LEAST));
        let others = OTHER_DESCRIPTORS + log + trace + loops * DESCRIPTORS_A_LOOP + files;
        let wanted = options.limits.max_connections.map(|most| most as usize);
        let most = listener::most_connections(crate::NAME, wanted, 1, others);
        let share = (most / SHARE).max(SHARE_AT_LEAST.min(most / 2)).max(2);
        let per_address = options.limits.max_per_address.map_or(share, |most| most as usize);
        // Who may have all of them may have one more for the moment in which another gives way to it.
        let per_address = if per_address >= most { usize::MAX } else { per_address };
        Bounds { most, per_address, loops, open_files: if has_plenty { FILES_KEPT_OPEN } else { 0 } }
    }
}

/// Serves clients until the server is asked to stop; then returns when the last has gone. It is `ready` when nothing can fail
/// any more.
///
/// Errors: the listening socket or an event queue is broken; there are no descriptors or threads for the loops.
pub fn serve(listener: OwnedFd, server: &Server, bounds: &Bounds, ready: impl FnOnce()) -> Result<()> {
    let (crew, polls) = Crew::new(bounds.loops, bounds.most)?;
    let mut loops = Vec::new();
    for (own, poll) in polls.into_iter().enumerate() {
        let web = Web::new(server, bounds.open_files);
        loops.push(EventLoop::new(web, &server.patience, &crew, own, poll)?);
    }
    if let Some(log) = &server.log {
        loops[0].answer_requests(&log.requests)?;
    }
    listener::leave_one_for_a_client(&listener)?;
    loops[0].accept_from(listener, false)?;
    thread::scope(|scope| {
        run_all(loops, |work| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work), ready)
    })
}
