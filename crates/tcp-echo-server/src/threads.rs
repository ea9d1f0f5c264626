//! A thread for each client, so that none waits for another.
//!
//! A small step from `iterative.rs`: what the loop did there after `accept`, a new thread does here. New is a bound on how
//! many there are; a place is taken and the thread started before `accept`, so that a client for whom there is none waits in
//! the kernel's queue and costs nothing.

use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use common::berkeley::{OwnedFd, accept, close};
use common::listener::{self, AcceptTrouble};
use common::slots::Slots;
use common::wait::pause;

use crate::echo::{Echo, converse};

/// Usually the most clients at once: each costs a thread, and memory of the system's.
pub const MOST_CONNECTIONS: usize = 1024;

/// Enough for `converse`, which keeps its buffer on the heap. The system's usual 2 to 8 MiB would let memory be used up by
/// address space that is never touched.
pub const STACK_BYTES: usize = 256 * 1024;

/// Descriptors that are not connections: stdin, stdout, stderr, the listener, the signals' pipes (6), a trace file, and
/// one or two to spare.
const OTHER_DESCRIPTORS: usize = 13;

/// Serves up to `max_connections` clients at once, until the server is asked to stop; then returns when the last has gone.
///
/// Errors: the listening socket is broken.
pub fn serve(listener: OwnedFd, echo: &Echo, max_connections: usize) -> Result<()> {
    let most = listener::most_connections(crate::NAME, max_connections, 1, OTHER_DESCRIPTORS);
    let slots = Slots::new(most);
    let mut trouble = AcceptTrouble::new(crate::NAME);
    // A scope ends when all its threads have: nobody is left behind when the server stops.
    thread::scope(|scope| {
        let accept_all = || {
            while let Some(slot) = slots.take(&echo.patience.stop) {
                if !echo.patience.client_comes(&listener).context("cannot wait for clients")? {
                    break;
                }
                let (client, comes) = mpsc::channel();
                let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || {
                    // No client comes if `accept` fails.
                    if let Ok((connection, peer)) = comes.recv() {
                        let mut buffer = echo.prefix.buffer(echo.buffer_bytes);
                        converse(&connection, &peer, echo, &mut buffer);
                        close(connection);
                    }
                    drop(slot);
                });
                // Unlike thread::spawn, the builder returns the error instead of panicking.
                if let Err(error) = thread {
                    pause(&echo.patience.stop, Some(trouble.shortage(format_args!("no thread for one: {error}"))))?;
                    continue;
                }
                match accept(&listener) {
                    Ok(accepted) => drop(client.send(accepted)),
                    Err(errno) => {
                        pause(&echo.patience.stop, trouble.failed(errno)?)?;
                        continue;
                    }
                }
                trouble.over();
                if echo.once {
                    break;
                }
            }
            close(listener);
            Ok(())
        };
        // If the server fails, those that are being served have as much time to finish as if it had been asked to stop.
        accept_all().map_err(|error| echo.patience.stop.fail(crate::NAME, error))
    })
}
