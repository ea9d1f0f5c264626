//! A reply on its way to a client: as much of it is sent as there is room for, and the rest is remembered.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use common::Errno;
use common::berkeley::{OwnedFd, send};
use common::events::Next;

use crate::access_log::Entry;
use crate::representation::{Content, Representation};

/// How much of a file is sent before the others have their turn. More than a socket usually has room for.
const BYTES_A_TURN: u64 = 4 * 1024 * 1024;
/// How much of a file goes out with one call. Linux takes all at once; elsewhere a piece has to pass through our hands.
const BYTES_A_CALL: u64 = if cfg!(target_os = "linux") { BYTES_A_TURN } else { 32 * 1024 };

/// What is still to be sent of a reply, and what comes after it.
#[derive(Default)]
pub struct Reply {
    /// The head, and the content if it is small.
    pub data: Vec<u8>,
    /// Other content, from where it is.
    pub content: Option<Extent>,
    /// What becomes of the connection then. None: it goes on. [`Next::End`]: it is closed in a while, see `leave` in
    /// `web/reply.rs`. [`Next::Close`]: at once; the client wants that, all input has been read, and a small reply is on its
    /// way: nothing is lost.
    pub then: Option<Next>,
    /// Its line in the log.
    pub entry: Option<Entry>,
    /// Of one that was kept: how much was left when it was, or when our patience was last looked at.
    pub left_before: Option<u64>,
}

/// So much of a file.
pub struct Extent {
    pub file: Arc<Representation>,
    pub range: Range<u64>,
}

impl Reply {
    /// How many bytes are still to be sent.
    pub fn left(&self) -> u64 {
        self.data.len() as u64 + self.content.as_ref().map_or(0, Extent::length)
    }

    /// Goes on sending, as long as there is room. None: that was all.
    ///
    /// Errors: the connection broke; the file can't be sent, as [`Extent::go_on`].
    #[inline(always)]
    pub fn go_on(&mut self, connection: &OwnedFd) -> Result<Option<Next>> {
        while !self.data.is_empty() {
            match send(connection, &self.data) {
                Ok(sent) => drop(self.data.drain(..sent)),
                Err(Errno::AGAIN) => return Ok(Some(Next::Room)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot send"),
            }
        }
        self.content.as_mut().map_or(Ok(None), |content| content.go_on(connection))
    }
}

impl Extent {
    /// In bytes.
    pub fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Goes on sending, as long as there is room. None: that was all.
    ///
    /// Errors: the connection broke; the file has become shorter, or can't be read. Then less was sent than promised, and
    /// the connection must end, so that the client notices.
    #[inline(always)]
    fn go_on(&mut self, connection: &OwnedFd) -> Result<Option<Next>> {
        let Range { start, end } = &mut self.range;
        let enough = (*end).min(*start + BYTES_A_TURN);
        while *start < enough {
            let wanted = BYTES_A_CALL.min(enough - *start);
            let sent = match &self.file.content {
                Content::Bytes(bytes) => send(connection, &bytes[*start as usize..][..wanted as usize]),
                Content::File(file) => send_file(connection, file, *start, wanted),
            };
            match sent {
                Ok(count) => {
                    *start += count as u64;
                    if (count as u64) < wanted {
                        // To try again at once would only cost another call, and bring little.
                        return self.file.content.reaches_beyond(*start).map(|()| Some(Next::Room));
                    }
                }
                Err(Errno::AGAIN) => return Ok(Some(Next::Room)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot send all of it"),
            }
        }
        // There may be room, but it is somebody else's turn.
        Ok((*start < *end).then_some(Next::Turn))
    }
}

impl Content {
    /// Makes sure that there is more than so many bytes of it.
    ///
    /// Errors: the file has become shorter.
    #[inline(never)]
    fn reaches_beyond(&self, length: u64) -> Result<()> {
        if let Content::File(file) = self {
            let is_longer = file.metadata().map_or(true, |metadata| metadata.len() > length);
            ensure!(is_longer, "cannot send a file to its end: it has become shorter");
        }
        Ok(())
    }
}

/// Sends up to `most` bytes of a file from here on, and says how many: the kernel does so by itself.
#[cfg(target_os = "linux")]
fn send_file(connection: &OwnedFd, file: &File, mut from: u64, most: u64) -> std::result::Result<usize, Errno> {
    common::sendfile::sendfile(connection, file, &mut from, most as usize)
}

/// Sends up to `most` bytes of a file from here on, and says how many.
#[cfg(not(target_os = "linux"))]
fn send_file(connection: &OwnedFd, file: &File, from: u64, most: u64) -> std::result::Result<usize, Errno> {
    use std::os::unix::fs::FileExt;
    let mut piece = [0; BYTES_A_CALL as usize];
    let read = file.read_at(&mut piece[..most as usize], from);
    send(connection, &piece[..read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?])
}
