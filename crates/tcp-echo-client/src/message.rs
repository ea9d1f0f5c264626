//! The lecture's client: `send` the message, `recv` the reply until its end, print it.
//!
//! Two things the lecture leaves out. The reply may come in any number of pieces, and only `shutdown` tells the server that
//! the message is over, so that it ends its reply too. And a client must read while it still writes: if both sides only
//! write, both stand still as soon as the buffers between them are full.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use common::Errno;
use common::berkeley::{OwnedFd, Shutdown, recv, send, shutdown};
use common::prefix::Check;
use common::wait::{Interest, Wake, wait};

use crate::stdio::Output;
use crate::{BUFFER_BYTES, Exchange};

/// Sends the message, prints the whole reply, with a newline behind it if it ends in none, and checks it.
///
/// Errors: the connection broke; the reply is wrong, endless, or not complete within the timeout; stdout can't be written.
pub fn converse(connection: &OwnedFd, message: &[u8], exchange: &Exchange) -> Result<()> {
    let peer = &exchange.peer;
    let deadline = Instant::now() + exchange.timeout;
    let mut check = Check::new(&exchange.prefix);
    check.sent(message);
    let mut output = Output::default();
    let mut data = vec![0; BUFFER_BYTES];
    let mut unsent = message;
    let mut said_all = false;
    loop {
        if unsent.is_empty() && !said_all {
            match shutdown(connection, Shutdown::Write) {
                // The connection is gone; recv will say how.
                Ok(()) | Err(Errno::NOTCONN) => said_all = true,
                Err(errno) => return Err(errno).with_context(|| format!("cannot send to {peer}")),
            }
        }
        let interest = if said_all { Interest::IN } else { Interest::IN | Interest::OUT };
        let Wake::Ready(ready) = wait(connection, interest, None, Some(deadline)).context("cannot wait")? else {
            let timeout = humantime::format_duration(exchange.timeout);
            bail!("cannot get a reply from {peer}: it is not complete after {timeout}");
        };
        if ready.contains(Interest::OUT) && !said_all {
            match send(connection, unsent) {
                Ok(taken) => unsent = &unsent[taken..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno).with_context(|| format!("cannot send to {peer}")),
            }
        }
        // Readable, or an error or a hang-up, which recv reports.
        if ready != Interest::OUT {
            match recv(connection, &mut data) {
                Ok(0) => break,
                Ok(length) => {
                    if !output.write(&data[..length])? {
                        return Ok(());
                    }
                    check.received(&data[..length]).with_context(|| format!("cannot accept the reply of {peer}"))?;
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno).with_context(|| format!("cannot receive from {peer}")),
            }
        }
    }
    output.end_line()?;
    check.finish().with_context(|| format!("cannot accept the reply of {peer}"))
}
