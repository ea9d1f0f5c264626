//! One connection of a measurement: `send` for requests, `recv` for replies, and neither ever waits.
//!
//! `ping.rs` has one of these at a time, and `load/` as many as it is asked for.

use std::collections::VecDeque;
use std::fmt;

use common::berkeley::{OwnedFd, close, recv, send};
use common::prefix::Prefix;
use common::stats::{Clock, Fate, Pattern, Request, Trouble};
use common::{Errno, exit};

use crate::BUFFER_BYTES;
use crate::replies::{Corrupt, Place};

/// Requests are handed to the kernel in portions of about so many bytes: what a connection may have to remember.
const PORTION_BYTES: usize = 64 * 1024;

/// What all connections of a run have in common. Only a connection that the kernel has no room for has bytes of its own.
pub struct Wire {
    pub clock: Clock,
    prefix: Prefix,
    pattern: Pattern,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Wire {
    /// Requests of so many bytes, for a server with this prefix. The clock starts.
    pub fn new(prefix: Prefix, size: usize) -> Wire {
        let pattern = Pattern::new(size, &prefix);
        Wire { clock: Clock::start(), prefix, pattern, input: vec![0; BUFFER_BYTES], output: Vec::new() }
    }
}

/// What one `recv` has brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    None,
    /// All that there was.
    Some,
    /// As much as there was room for.
    More,
}

/// Why a connection can't go on.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The server has closed it.
    Closed,
    /// The kernel won't take more.
    CannotSend(Errno),
    /// There will be no more input.
    CannotReceive(Errno),
    /// What came is no echo.
    Corrupt,
    /// A reply was not there in time.
    Timeout,
    /// The run is over.
    Over,
}

impl End {
    /// How it is counted; None: as nothing.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            End::Closed => Some(Trouble::ClosedEarly),
            End::CannotSend(errno) | End::CannotReceive(errno) => Some(Trouble::connected(*errno)),
            End::Corrupt => Some(Trouble::Corrupt),
            End::Timeout => Some(Trouble::Timeout),
            End::Over => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Closed => write!(f, "the server has closed it"),
            End::CannotSend(errno) => write!(f, "cannot send: {}", exit::plain(*errno)),
            End::CannotReceive(errno) => write!(f, "cannot receive: {}", exit::plain(*errno)),
            End::Corrupt => write!(f, "a reply is not what was sent"),
            End::Timeout => write!(f, "it has been silent for too long"),
            End::Over => write!(f, "no longer needed"),
        }
    }
}

/// A connection, and what is on its way there.
pub struct Flow {
    pub connection: OwnedFd,
    /// The oldest first: a stream answers in order.
    outstanding: VecDeque<Request>,
    place: Place,
    /// What the kernel had no room for at first, and how much of that it has taken since.
    unsent: Vec<u8>,
    taken: usize,
}

impl Flow {
    /// A connection that is established and doesn't block.
    pub fn new(connection: OwnedFd) -> Flow {
        Flow { connection, outstanding: VecDeque::new(), place: Place::default(), unsent: Vec::new(), taken: 0 }
    }

    /// The requests that have no reply yet, the oldest first.
    pub fn outstanding(&self) -> &VecDeque<Request> {
        &self.outstanding
    }

    /// Whether the kernel had no room for all that was sent.
    pub fn is_stuck(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether more requests fit into what is sent at once.
    pub fn has_room(&self, wire: &Wire) -> bool {
        !self.is_stuck() && wire.output.len() < PORTION_BYTES
    }

    /// Adds a request to what [`Self::send`] will send.
    pub fn ask(&mut self, request: Request, wire: &mut Wire) {
        wire.output.extend_from_slice(wire.pattern.of(&request));
        self.outstanding.push_back(request);
    }

    /// `send`, for what [`Self::ask`] has collected.
    ///
    /// Errors: the connection is broken.
    #[inline(always)]
    pub fn send(&mut self, wire: &mut Wire) -> Result<(), End> {
        let result = send_some(&self.connection, &wire.output).map(|sent| {
            self.unsent.extend_from_slice(&wire.output[sent..]);
        });
        if result.is_err() {
            // So that it can be told what was not sent.
            self.unsent.extend_from_slice(&wire.output);
        }
        wire.output.clear();
        result
    }

    /// `send` again, for what the kernel had no room for.
    ///
    /// Errors: the connection is broken.
    #[inline(always)]
    pub fn send_rest(&mut self) -> Result<(), End> {
        if self.is_stuck() {
            self.taken += send_some(&self.connection, &self.unsent[self.taken..])?;
            if self.taken == self.unsent.len() {
                self.unsent.clear();
                self.taken = 0;
            }
        }
        Ok(())
    }

    /// `recv`, once, and hands each request that is answered now to `answered`, with the time.
    ///
    /// Errors: the connection is broken or at its end, or the reply is wrong.
    #[inline(always)]
    pub fn receive(&mut self, wire: &mut Wire, mut answered: impl FnMut(&Request, u64)) -> Result<Input, End> {
        let length = match recv(&self.connection, &mut wire.input) {
            Ok(0) => return Err(End::Closed),
            Ok(length) => length,
            Err(Errno::AGAIN) => return Ok(Input::None),
            Err(Errno::INTR) => return Ok(Input::More),
            Err(errno) => return Err(End::CannotReceive(errno)),
        };
        let now_ns = wire.clock.ns();
        let data = &wire.input[..length];
        self.place
            .read(data, &wire.prefix, &mut wire.pattern, &mut self.outstanding, |request| answered(request, now_ns))
            .map_err(|Corrupt| End::Corrupt)?;
        Ok(if length == wire.input.len() { Input::More } else { Input::Some })
    }

    /// `close`, and tells the fate of each request that has none yet.
    pub fn end(self, why: &End, wire: &Wire, mut fate: impl FnMut(&Request, Fate)) {
        // Of the youngest, so many have not left whole.
        let unsent = (self.unsent.len() - self.taken).div_ceil(wire.pattern.size());
        let left = self.outstanding.len().saturating_sub(unsent);
        for (index, request) in self.outstanding.iter().enumerate() {
            fate(
                request,
                match why {
                    End::Corrupt if index == 0 => Fate::Corrupt,
                    _ if index == 0 && self.place.is_within() => Fate::Truncated,
                    End::CannotSend(_) if index >= left => Fate::SendError,
                    _ => Fate::Lost,
                },
            );
        }
        close(self.connection);
    }
}

/// Sends as much as there is room for.
#[inline(always)]
fn send_some(connection: &OwnedFd, data: &[u8]) -> Result<usize, End> {
    let mut sent = 0;
    while sent < data.len() {
        match send(connection, &data[sent..]) {
            Ok(taken) => sent += taken,
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(End::CannotSend(errno)),
        }
    }
    Ok(sent)
}
