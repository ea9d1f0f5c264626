//! What a program has to say to an event loop: what it does with a connection when that may go on.

use crate::address::Address;
use crate::berkeley::OwnedFd;
use crate::wait::GaveUp;

/// What a program does with its connections.
pub trait Service {
    /// What it remembers of one connection. Small: there may be many thousands.
    type Conversation;

    /// A client has come.
    fn begin(&mut self, connection: &OwnedFd, peer: &Address) -> Self::Conversation;

    /// The connection is ready: does what can be done without waiting, but not for long. `ended`: the client has sent its
    /// last byte, which may still have to be received.
    fn go_on(&mut self, conversation: &mut Self::Conversation, connection: &OwnedFd, ended: bool) -> Next;

    /// The server ends the conversation. From then on `go_on` reads and ignores what comes, until its end. A client that was
    /// thought to be silent may turn out to read, only slowly: `Room` says that it goes on after all.
    fn give_up(&mut self, conversation: &mut Self::Conversation, connection: &OwnedFd, why: GaveUp) -> Next;
}

/// What a conversation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Input.
    Input,
    /// Room to send what is left; no input is wanted until then.
    Room,
    /// Its next turn: there was more to do than one turn allows.
    Turn,
    /// Nothing: it is over.
    Close,
}
