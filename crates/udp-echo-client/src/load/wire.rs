//! Many datagrams at a time, to the kernel and from it.

use common::Errno;
use common::berkeley::{OwnedFd, recv, send};

/// What one call has brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// All that there was.
    Some,
    /// As much as there was room for.
    More,
}

/// The room for what is sent and received.
pub struct Wire {
    size: usize,
    /// Requests that are not sent yet, one behind the other, from `taken` on.
    output: Vec<u8>,
    taken: usize,
    input: Vec<u8>,
}

impl Wire {
    /// Room for requests of this size, and replies of at most that one.
    pub fn new(size: usize, longest_reply: usize, _train: usize) -> Wire {
        // One byte more shows a reply that is too long.
        Wire { size, output: Vec::new(), taken: 0, input: vec![0; longest_reply + 1] }
    }

    /// Sets a socket up for trains.
    ///
    /// Errors: as setsockopt(2).
    pub fn prepare(&self, _socket: &OwnedFd) -> Result<(), Errno> {
        Ok(())
    }

    /// One more request is to be sent.
    pub fn put(&mut self, request: &[u8]) {
        self.output.extend_from_slice(request);
    }

    /// Sends some of what is to be sent. Returns how many requests that was.
    ///
    /// Errors: as send(2), about the first of them.
    pub fn send(&mut self, socket: &OwnedFd) -> Result<usize, Errno> {
        send(socket, &self.output[self.taken..self.taken + self.size])?;
        Ok(self.drop_first())
    }

    /// What [`Self::send`] would begin with is not to be sent any more. Returns how many requests that was.
    pub fn drop_first(&mut self) -> usize {
        self.taken += self.size;
        if self.taken == self.output.len() {
            self.output.clear();
            self.taken = 0;
        }
        1
    }

    /// Receives, and hands over each datagram.
    ///
    /// Errors: as recv(2).
    pub fn receive(&mut self, socket: &OwnedFd, mut datagram: impl FnMut(&[u8])) -> Result<Input, Errno> {
        match recv(socket, &mut self.input) {
            Ok(length) => {
                datagram(&self.input[..length]);
                Ok(Input::More)
            }
            Err(Errno::AGAIN) => Ok(Input::Some),
            Err(Errno::INTR) => Ok(Input::More),
            Err(errno) => Err(errno),
        }
    }
}
