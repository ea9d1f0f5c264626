//! What the server says to one client: everything back, until the client has said its last word. All designs share it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::address::Address;
use common::berkeley::{OwnedFd, Shutdown, recv, send, shutdown};
use common::prefix::Prefix;
use common::wait::{GaveUp, Interest, Patience, Wake, wait};
use common::{Errno, exit, log};

use crate::counters::Counters;
use crate::faults::Mischief;
use crate::options::Faults;

/// How much of what a client still sends is thrown away, and for how long, before its connection is closed early.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_millis(500);

/// How clients are answered.
pub struct Echo {
    /// How long the server bears with a client.
    pub patience: Patience,
    /// What goes before each piece.
    pub prefix: Prefix,
    /// The most bytes of a client's to receive at once.
    pub buffer_bytes: usize,
    /// Whether the first client is the last.
    pub once: bool,
    /// Whether to say when a client comes and goes.
    pub verbose: bool,
    /// What to get wrong.
    pub faults: Option<Faults>,
    /// What has happened.
    pub counters: Arc<Counters>,
    /// SIGUSR1: they are to be printed.
    #[cfg(unix)]
    pub requests: Arc<common::signal::Requests>,
}

/// Talks to one client until it is done, or the connection breaks, or the server's patience is at its end. Whatever happens
/// concerns this client alone, and is only told. The caller closes the connection.
pub fn converse(connection: &OwnedFd, peer: &Address, echo: &Echo, buffer: &mut [u8]) {
    echo.counters.connections.add(1);
    if echo.verbose {
        log::client(crate::NAME, format_args!("{peer} has come"));
    }
    match send_back(connection, echo, buffer) {
        Ok(()) if echo.verbose => log::client(crate::NAME, format_args!("{peer} has finished")),
        Ok(()) => {}
        Err(error) => {
            log::client(crate::NAME, format_args!("lost {peer}: {}", exit::describe(&error)));
            match error.downcast_ref() {
                Some(why) => echo.counters.gave_up(*why),
                None => echo.counters.broke(error.downcast_ref().copied().unwrap_or(Errno::IO)),
            }
            if matches!(error.downcast_ref(), Some(GaveUp::Idle(_) | GaveUp::Drained)) {
                linger(connection);
            }
        }
    }
}

/// Sends back what the client sends, each piece behind the prefix that `buffer` begins with, until the client's last byte.
///
/// While the client doesn't read its reply, the server doesn't read either: so its memory stays the same, whoever sends.
///
/// Errors: the connection broke, or the server's patience is at its end.
fn send_back(connection: &OwnedFd, echo: &Echo, buffer: &mut [u8]) -> Result<()> {
    let mut mischief = echo.faults.as_ref().map(|faults| Mischief::new(echo, faults));
    let prefix_bytes = echo.prefix.as_bytes().len();
    loop {
        echo.patience.wait(connection, Interest::IN)?;
        let length = match recv(connection, &mut buffer[prefix_bytes..]) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(errno) => return Err(errno).context("cannot receive"),
        };
        echo.counters.received.add(length);
        let reply = &buffer[..prefix_bytes + length];
        let goes_on = match &mut mischief {
            None => send_all(connection, reply, echo).map(|()| true)?,
            Some(mischief) => mischief.send(connection, reply)?,
        };
        if !goes_on {
            return Ok(());
        }
    }
}

/// One `send` may take only a part: goes on until all of `data` is sent.
pub fn send_all(connection: &OwnedFd, mut data: &[u8], echo: &Echo) -> Result<()> {
    let mut last_try = None;
    while !data.is_empty() {
        match send(connection, data) {
            Ok(taken) => {
                echo.counters.sent.add(taken);
                (data, last_try) = (&data[taken..], None);
            }
            Err(Errno::AGAIN | Errno::INTR) => last_try = echo.patience.wait_for_room(connection, last_try)?,
            Err(errno) => return Err(errno).context("cannot send"),
        }
    }
    Ok(())
}

/// Says goodbye to a client that would go on, and reads on for a little. A `close` while there is input that nobody has
/// read would send RST, which can destroy replies on their way: see RFC 1122, section 4.2.2.13.
pub fn linger(connection: &OwnedFd) {
    let deadline = Instant::now() + LINGER;
    let mut left = LINGER_BYTES;
    let mut ignored = [0; 4096];
    if shutdown(connection, Shutdown::Write).is_err() {
        return;
    }
    while left > 0 && matches!(wait(connection, Interest::IN, None, Some(deadline)), Ok(Wake::Ready(_))) {
        match recv(connection, &mut ignored) {
            Ok(0) => return,
            Ok(length) => left = left.saturating_sub(length),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
