//! The stream of bytes to and from one client: `recv` and `send`, and the patience that goes with them. What the bytes
//! mean is not known here.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use common::Errno;
use common::berkeley::{OwnedFd, Shutdown, recv, send, shutdown};
use common::sockopt::set_nonblocking;
use common::wait::{GaveUp, Interest, Patience, Wake, wait};

use crate::request::has_begun;

/// How much is received or read from a file at once. More costs twice the processor time on loopback, where it no longer
/// fits the caches; the lecture has 1024.
const PIECE_BYTES: usize = 32 * 1024;

/// How much of what a client still sends is thrown away, and for how long, before its connection is closed early.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_millis(500);

/// A connection, and what has been received on it and not yet been used.
pub struct Stream<'a> {
    connection: &'a OwnedFd,
    patience: &'a Patience,
    /// Received, and not yet understood: at most a head and a piece.
    pub input: Vec<u8>,
    /// Room for what is on its way.
    piece: Vec<u8>,
}

/// What came of receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    More,
    /// The client has sent its last byte.
    End,
    /// Nothing came before the deadline.
    Late,
}

impl<'a> Stream<'a> {
    /// Errors: as ioctl(2).
    pub fn new(connection: &'a OwnedFd, patience: &'a Patience) -> Result<Stream<'a>, Errno> {
        // Linux doesn't hand this down from the listener; other systems do.
        set_nonblocking(connection)?;
        Ok(Stream { connection, patience, input: Vec::new(), piece: vec![0; PIECE_BYTES] })
    }

    /// Waits for the first byte of a request. False: there will be none. The client has gone, or has been idle for too
    /// long, or the server has been asked to stop and no request was on its way. Between requests, nothing is lost by any
    /// of these, not even by a reset.
    pub fn request_begins(&mut self) -> bool {
        let until = self.patience.idle.map(|idle| Instant::now() + idle);
        while !has_begun(&self.input) {
            let wake = wait(self.connection, Interest::IN, Some(&self.patience.stop), until);
            if !matches!(wake, Ok(Wake::Ready(_) | Wake::Stop)) {
                return false;
            }
            match self.recv() {
                Ok(0) => return false,
                Ok(_) => {}
                // Asked to stop, a last look has found that nothing is there.
                Err(Errno::AGAIN | Errno::INTR) if wake == Ok(Wake::Stop) => return false,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Receives more of a request that has begun.
    ///
    /// Errors: the connection broke, or the drain is over.
    pub fn receive(&mut self, deadline: Instant) -> Result<Received> {
        loop {
            if !self.patience.wait_until(self.connection, Interest::IN, Some(deadline))? {
                return Ok(Received::Late);
            }
            match self.recv() {
                Ok(0) => return Ok(Received::End),
                Ok(_) => return Ok(Received::More),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot receive"),
            }
        }
    }

    fn recv(&mut self) -> Result<usize, Errno> {
        let length = recv(self.connection, &mut self.piece)?;
        self.input.extend_from_slice(&self.piece[..length]);
        Ok(length)
    }

    /// Throws away up to `length` bytes of the input, and returns how many were there.
    pub fn discard(&mut self, length: u64) -> u64 {
        let there = self.input.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        self.input.drain(..there);
        there as u64
    }

    /// Sends all of `data`: one `send` may take only a part.
    ///
    /// Errors: the connection broke, or the server's patience is at its end.
    pub fn send_all(&self, mut data: &[u8]) -> Result<()> {
        let mut last_try = None;
        while !data.is_empty() {
            match send(self.connection, data) {
                Ok(taken) => (data, last_try) = (&data[taken..], None),
                Err(Errno::AGAIN | Errno::INTR) => last_try = self.patience.wait_for_room(self.connection, last_try)?,
                Err(errno) => return Err(errno).context("cannot send"),
            }
        }
        Ok(())
    }

    /// Sends `head`, and `length` bytes of `file` after it, in pieces. As much of the file as fits goes out with the head.
    ///
    /// Errors: as [`Stream::send_all`]; the file has become shorter, or can't be read. Then less was sent than promised, and
    /// the connection must end, so that the client notices.
    pub fn send_file(&mut self, head: &[u8], mut file: File, length: u64) -> Result<()> {
        let mut left = length;
        let mut piece = std::mem::take(&mut self.piece);
        let mut filled = head.len();
        piece[..filled].copy_from_slice(head);
        while left > 0 {
            // A client that is always ready for more is never waited for.
            if self.patience.drain_until().is_some_and(|end| end <= Instant::now()) {
                return Err(GaveUp::Drained.into());
            }
            let room = (piece.len() - filled).min(usize::try_from(left).unwrap_or(usize::MAX));
            match file.read(&mut piece[filled..filled + room]) {
                Ok(0) => bail!("cannot send a file to its end: it has become shorter"),
                Ok(count) => {
                    self.send_all(&piece[..filled + count])?;
                    (filled, left) = (0, left - count as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read a file to its end"),
            }
        }
        self.send_all(&piece[..filled])?;
        self.piece = piece;
        Ok(())
    }

    /// Says goodbye to a client that may still be sending, and reads on for a little. A `close` while there is input that
    /// nobody has read would send RST, which can destroy the reply on its way: see RFC 9112, section 9.6.
    pub fn linger(&mut self) {
        let deadline = Instant::now() + LINGER;
        let mut left = LINGER_BYTES;
        if shutdown(self.connection, Shutdown::Write).is_err() {
            return;
        }
        while left > 0 && matches!(wait(self.connection, Interest::IN, None, Some(deadline)), Ok(Wake::Ready(_))) {
            match recv(self.connection, &mut self.piece) {
                Ok(0) => return,
                Ok(length) => left = left.saturating_sub(length),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}
