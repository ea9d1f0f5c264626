//! The lecture's design: one client at a time.
//!
//! Its partner is `tcp-echo-client`. What it can't do, a second client finds out: it is connected, and waits in the
//! kernel's queue until the first has gone. `threads.rs` is the next step.
//!
//! `client_comes` is where it waits: with poll(2), for a client or for the signal to stop. `accept` then finds the client there.

use anyhow::{Context, Result};
use common::berkeley::{OwnedFd, accept, close};
use common::listener::AcceptTrouble;
use common::wait::pause;

use crate::echo::{Echo, converse};

/// Serves clients one after the other, until the server is asked to stop: `accept`, then `recv` and `send` until the client
/// is done, then `close`.
///
/// Errors: the listening socket is broken. A client's trouble is not the server's.
pub fn serve(listener: OwnedFd, echo: &Echo) -> Result<()> {
    let mut trouble = AcceptTrouble::new(crate::NAME);
    let mut buffer = echo.prefix.buffer(echo.buffer_bytes);
    while echo.patience.client_comes(&listener).context("cannot wait for clients")? {
        let (connection, peer) = match accept(&listener) {
            Ok(accepted) => accepted,
            Err(errno) => {
                pause(&echo.patience.stop, trouble.failed(errno)?)?;
                continue;
            }
        };
        trouble.over();
        converse(&connection, &peer, echo, &mut buffer);
        close(connection);
        if echo.once {
            break;
        }
    }
    close(listener);
    Ok(())
}
