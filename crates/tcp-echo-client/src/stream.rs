//! stdin to the server, and the reply to stdout, at the same time, byte for byte.
//!
//! Two threads, one for each direction, and two pairs of calls: `read` from stdin and `send` to the socket; `recv` from the
//! socket and `write` to stdout. A socket is a file descriptor as well: `read` and `write` would do for all four.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use common::berkeley::{OwnedFd, Shutdown, recv, send, shutdown};
use common::prefix::Check;
use common::wait::{Interest, Wake, wait};
use common::{Errno, sockopt};

use crate::stdio::{Output, read_stdin};
use crate::{BUFFER_BYTES, Exchange};

/// The most that may be sent before it has come back: what a server that reads but does not answer costs us in memory.
const MOST_OWED_BYTES: usize = 64 * 1024 * 1024;
/// While nothing is owed, how often to look whether it still is so.
const LOOK: Duration = Duration::from_millis(100);

/// What the two threads know together.
struct Progress {
    check: Check,
    /// Everything is sent, and the server has been told.
    said_all: bool,
    /// When a byte last moved, in either direction.
    moved: Instant,
    /// What stopped the sender.
    failure: Option<Error>,
}

/// The progress, and the news that some of what was owed has come back.
struct Shared {
    progress: Mutex<Progress>,
    came_back: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends all of stdin, prints the reply as it comes, and checks it.
///
/// Errors: the connection broke or ended before stdin did; the reply is wrong or endless; the server owes a reply and is
/// silent for longer than the timeout; the deadline is past; stdin can't be read or stdout can't be written.
pub fn converse(connection: &Arc<OwnedFd>, exchange: Exchange) -> Result<()> {
    if exchange.peer.internet().is_some() {
        // What somebody types goes out at once.
        sockopt::set_no_delay(&**connection).context("cannot set the connection up")?;
    }
    let check = Check::new(&exchange.prefix);
    let progress = Progress { check, said_all: false, moved: Instant::now(), failure: None };
    let shared = Arc::new(Shared { progress: Mutex::new(progress), came_back: Condvar::new() });
    let sender = {
        let (connection, shared) = (Arc::clone(connection), Arc::clone(&shared));
        thread::Builder::new().spawn(move || {
            if let Err(error) = send_all_input(&connection, &shared, exchange.timeout) {
                shared.lock().failure = Some(error);
                // The server ends its reply, and the other thread finds the failure.
                let _ = shutdown(&connection, Shutdown::Write);
            }
        })
    };
    let sender = sender.context("cannot start a thread")?;
    let outcome = print_reply(connection, &shared, &exchange);
    // Otherwise it may be waiting for somebody to type, which is no reason for the program to wait.
    if shared.lock().said_all {
        let _ = sender.join();
    }
    outcome
}

/// One direction: `read` from stdin and `send`, until stdin ends; then `shutdown`.
fn send_all_input(connection: &OwnedFd, shared: &Shared, timeout: Duration) -> Result<()> {
    let mut data = vec![0; BUFFER_BYTES];
    loop {
        let length = read_stdin(&mut data).context("cannot read stdin")?;
        if length == 0 {
            break;
        }
        let mut rest = &data[..length];
        {
            let mut progress = shared.lock();
            while progress.check.owed_bytes() >= MOST_OWED_BYTES {
                progress = shared.came_back.wait(progress).unwrap_or_else(PoisonError::into_inner);
            }
            if progress.check.owed_bytes() == 0 {
                progress.moved = Instant::now();
            }
            progress.check.sent(rest);
        }
        while !rest.is_empty() {
            match send(connection, rest) {
                Ok(taken) => {
                    rest = &rest[taken..];
                    shared.lock().moved = Instant::now();
                }
                Err(Errno::AGAIN) => {
                    // However long this takes, it is the other thread that loses its patience.
                    wait(connection, Interest::OUT, None, Some(Instant::now() + timeout)).context("cannot wait")?;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot send"),
            }
        }
    }
    // First noted, then done: the server's end of file may come at once.
    {
        let mut progress = shared.lock();
        progress.said_all = true;
        progress.moved = Instant::now();
    }
    shutdown(connection, Shutdown::Write).context("cannot send")
}

/// The other direction: `recv` and `write` to stdout, until the server's last byte.
fn print_reply(connection: &OwnedFd, shared: &Shared, exchange: &Exchange) -> Result<()> {
    let peer = &exchange.peer;
    let mut output = Output::default();
    let mut data = vec![0; BUFFER_BYTES];
    let over = Instant::now().checked_add(exchange.deadline);
    loop {
        let until = {
            let mut progress = shared.lock();
            if let Some(error) = progress.failure.take() {
                return Err(error);
            }
            if progress.said_all || progress.check.owed_bytes() > 0 {
                progress.moved + exchange.timeout
            } else {
                Instant::now() + LOOK
            }
        };
        if over.is_some_and(|over| over <= Instant::now()) {
            let deadline = humantime::format_duration(exchange.deadline);
            bail!("cannot get all of the reply from {peer}: it is not complete after {deadline}");
        }
        match wait(connection, Interest::IN, None, over.into_iter().chain([until]).min()).context("cannot wait")? {
            Wake::Ready(_) => {}
            _ => {
                let progress = shared.lock();
                let owes = progress.said_all || progress.check.owed_bytes() > 0;
                if owes && progress.moved + exchange.timeout <= Instant::now() {
                    let timeout = humantime::format_duration(exchange.timeout);
                    bail!("cannot get a reply from {peer}: it has been silent for {timeout}");
                }
                continue;
            }
        }
        let length = match recv(connection, &mut data) {
            Ok(0) => break,
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(errno) => return Err(errno).with_context(|| format!("cannot receive from {peer}")),
        };
        if !output.write(&data[..length])? {
            return Ok(());
        }
        let mut progress = shared.lock();
        progress.moved = Instant::now();
        progress.check.received(&data[..length]).with_context(|| format!("cannot accept the reply of {peer}"))?;
        shared.came_back.notify_one();
    }
    let mut progress = shared.lock();
    if let Some(error) = progress.failure.take() {
        return Err(error);
    }
    if !progress.said_all {
        bail!("cannot send all of stdin: {peer} has closed the connection");
    }
    let check = std::mem::replace(&mut progress.check, Check::new(&exchange.prefix));
    check.finish().with_context(|| format!("cannot accept the reply of {peer}"))
}
