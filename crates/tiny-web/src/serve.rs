//! A thread for each connection, so that none waits for another: browsers keep theirs open between requests, and open
//! several at once. The lecture's loop, one client after the other, would leave all but the first waiting.
//!
//! The same shape as `threads.rs` of `tcp-echo-server`: a place is taken before `accept`, so that a client too many waits
//! in the kernel's queue and costs nothing.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use common::berkeley::{OwnedFd, accept, close};
use common::exit;
use common::listener::{self, AcceptTrouble};
use common::slots::Slots;
use common::wait::{Patience, pause};

use crate::connection::converse;
use crate::response::Site;

/// Enough for `converse`, which keeps its buffers on the heap. The system's usual 2 to 8 MiB would let memory be used up by
/// address space that is never touched.
const STACK_BYTES: usize = 256 * 1024;

/// Descriptors that are not for connections: stdin, stdout, stderr, the listener, the signals' pipe (3), the folder, a
/// trace file, and one or two to spare.
const OTHER_DESCRIPTORS: usize = 11;

/// A connection takes its own descriptor, and that of the file it is sent.
const DESCRIPTORS_EACH: usize = 2;

/// What all connections share.
pub struct Server {
    /// What there is to see.
    pub site: Site,
    /// How long the server bears with a client between requests, and while it doesn't read.
    pub patience: Patience,
    /// How long the head of a request may take to arrive, from its first byte.
    pub head_timeout: Duration,
}

/// Serves up to `max_connections` at once, until the server is asked to stop; then returns when the last has gone.
///
/// Errors: the listening socket is broken. A client's trouble is not the server's.
pub fn serve(listener: OwnedFd, server: &Server, max_connections: usize) -> Result<()> {
    let most = listener::most_connections(crate::NAME, max_connections, DESCRIPTORS_EACH, OTHER_DESCRIPTORS);
    let slots = Slots::new(most);
    let mut trouble = AcceptTrouble::new(crate::NAME);
    let stop = &server.patience.stop;
    // A scope ends when all its threads have: nobody is left behind when the server stops.
    thread::scope(|scope| {
        while let Some(slot) = slots.take(stop) {
            if !server.patience.client_comes(&listener).context("cannot wait for clients")? {
                break;
            }
            let (connection, peer) = match accept(&listener) {
                Ok(accepted) => accepted,
                Err(errno) => {
                    pause(stop, trouble.failed(errno)?)?;
                    continue;
                }
            };
            let spawned = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || {
                converse(&connection, &peer, server);
                close(connection);
                drop(slot);
            });
            // Unlike thread::spawn, the builder returns the error instead of panicking. The one client is lost.
            match spawned {
                Ok(_) => trouble.over(),
                Err(error) => pause(
                    stop,
                    Some(
                        trouble.shortage(format_args!("no thread for one of them: {}", exit::describe(&error.into()))),
                    ),
                )?,
            }
        }
        close(listener);
        Ok(())
    })
}
