//! What a program has to say to an event loop: what it does with a connection when that may go on.

use std::time::Duration;

use crate::Errno;
use crate::address::Address;
use crate::berkeley::OwnedFd;
use crate::wait::{GaveUp, Patience};

/// What a program does with its connections.
pub trait Service {
    /// The program's name, for what its loops say.
    const PROGRAM: &'static str;

    /// What it remembers of one connection. Small: there may be many thousands.
    type Conversation;

    /// Whether a client has usually said something by the time that it is accepted. Then its first turn comes at once, and
    /// one that is served in that turn costs the event queue nothing.
    const CLIENT_SPEAKS_FIRST: bool = false;

    /// The numbers of the allowances whose conversations give way when there is no place for another client, those of the first
    /// before those of the next: who waits longest is closed, without a word. For the moment that two have the same place, there
    /// has to be a descriptor more than connections.
    const GIVES_WAY: &'static [u8] = &[];

    /// How long what a conversation waits for may take; None: for ever. [`Service::clock`] tells them apart by number.
    fn allowances(&self, patience: &Patience) -> Vec<Option<Duration>> {
        vec![patience.idle]
    }

    /// Which allowance a conversation lives on after its turn. Another than before begins anew; the same one, if `renewed`.
    fn clock(&mut self, _conversation: &mut Self::Conversation) -> Clock {
        Clock { allowance: 0, renewed: true }
    }

    /// A client has come. None: it isn't served.
    fn begin(&mut self, connection: &OwnedFd, peer: &Address) -> Option<Self::Conversation>;

    /// A client that has come can't be served, and its connection is closed: the event queue has no room for it
    /// (`ENOSPC`, see epoll(7) on `max_user_watches`; `ENOMEM`).
    fn refused(&mut self, conversation: &mut Self::Conversation, errno: Errno);

    /// The connection is ready: does what can be done without waiting, but not for long. `ended`: the client has sent its
    /// last byte, which may still have to be received. When the server is asked to stop, each conversation has a turn.
    fn go_on(&mut self, conversation: &mut Self::Conversation, connection: &OwnedFd, ended: bool) -> Next;

    /// A signal has asked for something, perhaps several times: see [`EventLoop::answer_requests`](super::EventLoop::answer_requests).
    fn requested(&self) {}

    /// The conversation has used up its allowance, or the drain is over: the server ends it. From then on `go_on` reads and
    /// ignores what comes, until its end. A client that was thought to be silent may turn out to read, only slowly: `Room` says
    /// that it goes on after all, and it has a turn soon.
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
    /// The client's end, but not for long: all is said, and what still comes is ignored by `go_on`.
    End,
    /// Nothing: it is over.
    Close,
}

/// What a conversation's time is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Which of [`Service::allowances`].
    pub allowance: u8,
    /// Whether this was a sign of life.
    pub renewed: bool,
}
