//! What the server remembers of a client between two turns: little more than its address, as long as nothing is on its way.

use common::address::Peer;

use crate::body::BodyReader;
use crate::outgoing::Reply;
use crate::places::Place;
use crate::request::{HeadEnd, has_begun};

/// A client, and how far it has got.
pub struct Client<'a> {
    pub peer: Peer,
    _place: Place<'a>,
    /// All is said: so many bytes of what still comes are received, and ignored.
    pub leaving: Option<u32>,
    /// A request has been answered, or a reply begun, since the clock was last looked at.
    pub renewed: bool,
    /// There was too much for one turn: what is left of the input will be looked at in the next.
    pub is_put_off: bool,
    /// Received, and not yet used: the beginning of a head, or requests that wait until a reply is sent, or another turn. And how
    /// far the search for the head's end has got.
    pub input: Option<Box<(Vec<u8>, HeadEnd)>>,
    /// The head of a request whose body is being read past.
    pub held: Option<Box<(Vec<u8>, BodyReader)>>,
    /// A reply that goes on, once there is room for it, or in the next turn.
    pub reply: Option<Box<Reply>>,
}

impl<'a> Client<'a> {
    /// One that has just come.
    pub fn new(peer: Peer, place: Place<'a>) -> Client<'a> {
        Client {
            peer,
            _place: place,
            leaving: None,
            renewed: true,
            is_put_off: false,
            input: None,
            held: None,
            reply: None,
        }
    }

    /// Whether a request has begun, and not been understood yet.
    pub fn has_begun(&self) -> bool {
        self.held.is_some() || self.input.as_ref().is_some_and(|input| has_begun(&input.0))
    }
}
