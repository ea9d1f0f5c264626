//! What the server remembers of a client between two turns: nothing but its address, as long as nothing is on its way.

use std::borrow::Cow;

use common::address::Peer;

use crate::body::BodyReader;
use crate::outgoing::Reply;
use crate::places::Place;
use crate::request::{HeadEnd, has_begun};

/// A client, and how far it has got.
pub struct Client<'a> {
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

impl<'a> Client<'a> {
    /// One that has just come.
    pub fn new(peer: Peer, place: Place<'a>) -> Client<'a> {
        Client { peer, _place: place, leaving: false, renewed: true, on_its_way: None }
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
