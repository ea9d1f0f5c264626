//! What the server remembers of a client between two turns: nothing but its address, as long as nothing is on its way.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use common::Errno;
use common::address::Peer;
use common::berkeley::{OwnedFd, send};
use common::events::Next;

use crate::access_log::Entry;
use crate::body::BodyReader;
use crate::places::Place;
use crate::representation::{Content, Representation};
use crate::request::{HeadEnd, has_begun};

/// How much of a file is sent before the others have their turn. More than a socket usually has room for.
const BYTES_A_TURN: u64 = 4 * 1024 * 1024;

/// A conversation with a client.
pub struct Conversation<'a> {
    pub peer: Peer,
    _place: Place<'a>,
    /// All is said: what still comes is ignored.
    pub leaving: bool,
    /// A request has been answered, or a reply begun, since the clock was last looked at.
    pub renewed: bool,
    /// What is on its way, if anything is.
    on_its_way: Option<Box<OnItsWay>>,
}

/// What is on its way.
#[derive(Default)]
pub struct OnItsWay {
    /// Received, and not yet used: the beginning of a head, or requests that wait until a reply is sent.
    pub input: Vec<u8>,
    /// How far the search for the head's end has got.
    pub end: HeadEnd,
    /// A request whose body is being read past.
    pub held: Option<(Vec<u8>, BodyReader)>,
    /// A reply that the kernel had no room for.
    pub reply: Option<Reply>,
}

/// What is still to be sent of a file, from where it is.
pub struct Rest {
    pub file: Arc<Representation>,
    pub part: Range<u64>,
}

/// What is left of a reply.
pub struct Reply {
    /// First this,
    pub data: Vec<u8>,
    pub sent: usize,
    /// then this.
    pub file: Option<Rest>,
    /// Whether the connection is closed then.
    pub is_last: bool,
    /// What is written into the log then, and with how much content.
    pub entry: Option<(Entry, u64)>,
    /// How much the client has taken since its patience was last looked at.
    pub taken: u64,
}

impl<'a> Conversation<'a> {
    /// With a client that has just come.
    pub fn new(peer: Peer, place: Place<'a>) -> Conversation<'a> {
        Conversation { peer, _place: place, leaving: false, renewed: true, on_its_way: None }
    }

    /// What is on its way, to look at.
    pub fn now(&self) -> Option<&OnItsWay> {
        self.on_its_way.as_deref()
    }

    /// What is on its way, to be changed.
    pub fn on_its_way(&mut self) -> &mut OnItsWay {
        self.on_its_way.get_or_insert_default()
    }

    /// The reply that is being sent.
    pub fn reply(&mut self) -> Option<&mut Reply> {
        self.on_its_way.as_mut()?.reply.as_mut()
    }

    /// The input that was kept, if there is any.
    pub fn take_input(&mut self) -> Option<Vec<u8>> {
        let input = &mut self.on_its_way.as_mut()?.input;
        (!input.is_empty()).then(|| std::mem::take(input))
    }

    /// Keeps what is left of the input, behind what was used.
    #[cold]
    pub fn keep_input(&mut self, input: Cow<[u8]>, used: usize) {
        self.on_its_way().input = match input {
            Cow::Owned(mut input) => {
                input.drain(..used);
                input
            }
            Cow::Borrowed(input) => input[used..].to_vec(),
        };
    }

    /// Takes what has come of the request that has begun.
    pub fn head(&mut self) -> Vec<u8> {
        let now = std::mem::take(self.on_its_way());
        now.held.map_or(now.input, |(head, _)| head)
    }

    /// Whether a request has begun, and not been understood yet.
    pub fn has_begun(&self) -> bool {
        self.now().is_some_and(|now| now.held.is_some() || has_begun(&now.input))
    }

    /// Forgets what is no longer needed.
    pub fn tidy(&mut self) {
        let nothing = |now: &OnItsWay| now.input.is_empty() && now.held.is_none() && now.reply.is_none();
        if self.now().is_some_and(nothing) {
            self.on_its_way = None;
        }
    }
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
        let Some(rest) = &mut self.file else { return Ok(None) };
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
            let wanted = enough - part.start;
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

/// Sends some of a file from here on: the kernel does so by itself.
#[cfg(target_os = "linux")]
fn send_file(connection: &OwnedFd, file: &File, mut from: u64, most: u64) -> std::result::Result<usize, Errno> {
    common::sendfile::sendfile(connection, file, &mut from, usize::try_from(most).unwrap_or(usize::MAX))
}

/// Sends some of a file from here on, piece by piece, until there is no more room.
#[cfg(not(target_os = "linux"))]
fn send_file(connection: &OwnedFd, file: &File, from: u64, most: u64) -> std::result::Result<usize, Errno> {
    use std::os::unix::fs::FileExt;
    let (mut piece, mut sent) = ([0; 32 * 1024], 0);
    while sent < most {
        let wanted = piece.len().min(usize::try_from(most - sent).unwrap_or(usize::MAX));
        let read = file.read_at(&mut piece[..wanted], from + sent);
        let length = read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        match send(connection, &piece[..length]) {
            Ok(count) if count > 0 => sent += count as u64,
            Ok(_) => break,
            Err(errno) if sent == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(sent as usize)
}
