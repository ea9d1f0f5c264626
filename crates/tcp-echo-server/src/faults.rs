//! Getting it wrong on demand, so that clients can be tested against it. Everything that was done wrong is counted, and the
//! account at the end says exactly what a client has had to bear.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::berkeley::{OwnedFd, close, recv};
use common::wait::{Interest, wait};
use common::{Errno, sockopt};

use crate::echo::{Echo, linger, send_all};
use crate::options::Faults;

/// How often a delay looks whether the server has been asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Listens and does nothing else, until the server is asked to stop: clients are connected, and wait in the kernel's queue.
///
/// Errors: as poll(2).
pub fn never_accept(listener: OwnedFd, echo: &Echo) -> Result<()> {
    wait(&listener, Interest::empty(), Some(&echo.patience.stop), None).context("cannot wait")?;
    close(listener);
    Ok(())
}

/// What is left to go wrong for one client.
pub struct Mischief<'a> {
    echo: &'a Echo,
    faults: &'a Faults,
    /// How many bytes it still gets, and what happens then; None: all of them.
    left: Option<u64>,
    random: u64,
}

impl<'a> Mischief<'a> {
    /// For a new client.
    pub fn new(echo: &'a Echo, faults: &'a Faults) -> Mischief<'a> {
        let left = faults.stall_after.or(faults.reset_after).or(faults.close_after);
        Mischief { echo, faults, left, random: faults.seed.unwrap_or(0) }
    }

    /// Sends a reply, or as much of it as the client is to get, in the way that was asked for. False: that was the end.
    ///
    /// Errors: as `send_all`.
    pub fn send(&mut self, connection: &OwnedFd, reply: &[u8]) -> Result<bool> {
        let counters = &self.echo.counters;
        if let Some(delay) = self.faults.delay {
            self.sleep(delay);
            counters.delayed.add(1);
        }
        let length = self.left.map_or(reply.len(), |left| reply.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        let mut rest = &reply[..length];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.next_piece().min(rest.len()));
            send_all(connection, piece, self.echo)?;
            if self.faults.chunk.is_some() {
                counters.chunks.add(1);
            }
            rest = behind;
        }
        match &mut self.left {
            Some(left) => {
                *left -= length as u64;
                if *left > 0 {
                    return Ok(true);
                }
            }
            None => return Ok(true),
        }
        self.end(connection)?;
        Ok(false)
    }

    /// The client has got what it was to get.
    fn end(&self, connection: &OwnedFd) -> Result<()> {
        let counters = &self.echo.counters;
        if self.faults.reset_after.is_some() {
            counters.reset.add(1);
            sockopt::set_reset_on_close(connection).context("cannot set the connection up")
        } else if self.faults.close_after.is_some() {
            counters.closed.add(1);
            linger(connection);
            Ok(())
        } else {
            counters.stalled.add(1);
            self.stall(connection)
        }
    }

    /// Reads on, and says nothing more, until the client has gone.
    fn stall(&self, connection: &OwnedFd) -> Result<()> {
        let mut ignored = [0; 4096];
        loop {
            self.echo.patience.wait(connection, Interest::IN)?;
            match recv(connection, &mut ignored) {
                Ok(0) => return self.stall_on(connection),
                Ok(length) => self.echo.counters.received.add(length),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot receive"),
            }
        }
    }

    /// The client has said all, and hears nothing: until it gives up, or the server does.
    fn stall_on(&self, connection: &OwnedFd) -> Result<()> {
        // Neither input nor room is waited for: only an error, which is what a client that has gone leaves behind.
        self.echo.patience.wait(connection, Interest::empty())?;
        Ok(())
    }

    fn sleep(&self, delay: Duration) {
        let end = Instant::now() + delay;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if self.echo.patience.stop.is_asked() {
                return;
            }
            thread::sleep(left.min(LOOK));
        }
    }

    /// How long the next piece is.
    fn next_piece(&mut self) -> usize {
        let Some(most) = self.faults.chunk else { return usize::MAX };
        if self.faults.seed.is_none() {
            return most;
        }
        // SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        1 + (word ^ (word >> 31)) as usize % most
    }
}
