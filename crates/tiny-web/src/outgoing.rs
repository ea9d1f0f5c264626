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

/// A reply that is ready to be sent, but for its beginning, which stands elsewhere: in `Web::out`, or in [`Reply::data`].
pub struct Outgoing {
    /// First this is sent,
    pub file: Option<Rest>,
    pub then: Then,
    /// and this is written into the log, with how much content.
    pub entry: Option<(Entry, u64)>,
}

/// What becomes of the connection after a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    GoOn,
    /// It is closed. The client wants that, all input has been read, and a small reply is on its way: nothing is lost.
    Close,
    /// It is closed in a while: see `leave` in `web/reply.rs`.
    Leave,
}

/// What is still to be sent of a file, from where it is.
pub struct Rest {
    pub file: Arc<Representation>,
    pub part: Range<u64>,
}

/// A reply that the kernel had no room for.
pub struct Reply {
    /// The beginning of it, of which so much is sent.
    pub data: Vec<u8>,
    pub sent: usize,
    /// What comes after that.
    pub outgoing: Outgoing,
    /// How much the client has taken since its patience was last looked at.
    pub taken: u64,
}

impl Reply {
    /// Goes on sending, as long as there is room. None: that was all.
    ///
    /// Errors: the connection broke; the file can't be sent, as [`Rest::go_on`].
    pub fn go_on(&mut self, connection: &OwnedFd) -> Result<Option<Next>> {
        let count = send_some(connection, &self.data[self.sent..])?;
        self.sent += count;
        self.taken += count as u64;
        if self.sent < self.data.len() {
            return Ok(Some(Next::Room));
        }
        let Some(rest) = &mut self.outgoing.file else { return Ok(None) };
        let before = rest.part.start;
        let next = rest.go_on(connection);
        self.taken += rest.part.start - before;
        next
    }
}

impl Rest {
    /// Goes on sending, as long as there is room. None: that was all.
    ///
    /// Errors: the connection broke; the file has become shorter, or can't be read. Then less was sent than promised, and
    /// the connection must end, so that the client notices.
    #[inline(always)]
    pub fn go_on(&mut self, connection: &OwnedFd) -> Result<Option<Next>> {
        let part = &mut self.part;
        let file = match &self.file.content {
            Content::File(file) => file,
            Content::Bytes(bytes) => {
                part.start += send_some(connection, &bytes[part.start as usize..part.end as usize])? as u64;
                return Ok((part.start < part.end).then_some(Next::Room));
            }
        };
        let enough = part.end.min(part.start + BYTES_A_TURN);
        while part.start < enough {
            let wanted = BYTES_A_CALL.min(enough - part.start);
            match send_file(connection, file, part.start, wanted) {
                Ok(count) => {
                    part.start += count as u64;
                    if (count as u64) < wanted {
                        // To try again at once would only cost another call, and bring little.
                        return is_still_there(file, part.start).map(|()| Some(Next::Room));
                    }
                }
                Err(Errno::AGAIN) => return Ok(Some(Next::Room)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot send a file to its end"),
            }
        }
        // There may be room, but it is somebody else's turn.
        Ok((part.start < part.end).then_some(Next::Turn))
    }
}

/// Makes sure that a file is longer than this.
///
/// Errors: it has become shorter.
#[inline(never)]
fn is_still_there(file: &File, length: u64) -> Result<()> {
    ensure!(
        file.metadata().map_or(true, |metadata| metadata.len() > length),
        "cannot send a file to its end: it has become shorter"
    );
    Ok(())
}

/// Sends as much as there is room for, and says how much that was.
///
/// Errors: the connection broke.
#[inline(never)]
fn send_some(connection: &OwnedFd, data: &[u8]) -> Result<usize> {
    let mut sent = 0;
    while sent < data.len() {
        match send(connection, &data[sent..]) {
            Ok(taken) => sent += taken,
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context("cannot send"),
        }
    }
    Ok(sent)
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
