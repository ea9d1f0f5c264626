//! What a client has said: requests, taken from the input one after the other.

use std::borrow::Cow;

use anyhow::Result;
use common::berkeley::OwnedFd;
use common::events::Next;

use super::Web;
use super::reply::Then;
use crate::body::BodyReader;
use crate::connection::Conversation;
use crate::request::{self, Body, HeadEnd, Method, NO_FIELDS, Persistence, Request};

impl Web<'_> {
    /// Answers one request after the other, in their order: a client may send the next before it has the reply to the last.
    /// None: there is room for more, and what is left of the input is no whole request.
    pub(super) fn serve(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
        input: Cow<[u8]>,
    ) -> Result<Option<Next>> {
        let (mut used, mut next) = (0, None);
        while next.is_none() {
            let rest = &input[used..];
            let step = if conversation.now().is_some_and(|now| now.held.is_some()) {
                self.read_past(conversation, connection, rest)?
            } else {
                self.read_head(conversation, connection, rest)?
            };
            let Some((taken, then)) = step else { break };
            (used, next) = (used + taken, then);
        }
        if used < input.len() && !conversation.leaving {
            conversation.on_its_way().input = match input {
                Cow::Owned(mut input) => {
                    input.drain(..used);
                    input
                }
                Cow::Borrowed(input) => input[used..].to_vec(),
            };
        }
        Ok(next)
    }

    /// A head, and the answer to it, unless a body comes first. None: it isn't all there. Else how long it was.
    fn read_head(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
        input: &[u8],
    ) -> Result<Option<(usize, Option<Next>)>> {
        let limits = &self.server.limits;
        let mut end = match conversation.now() {
            None => HeadEnd::default(),
            Some(_) => std::mem::take(&mut conversation.on_its_way().end),
        };
        let length = match end.find(input, limits) {
            Ok(Some(length)) => length,
            Ok(None) => {
                if !input.is_empty() {
                    conversation.on_its_way().end = end;
                }
                return Ok(None);
            }
            Err(refusal) => {
                return self.refuse(conversation, connection, refusal, input).map(|next| Some((0, Some(next))));
            }
        };
        let head = &input[..length];
        let mut room = NO_FIELDS;
        let request = match request::read(head, &mut room, limits) {
            Ok(request) => request,
            Err(refusal) => {
                return self.refuse(conversation, connection, refusal, head).map(|next| Some((0, Some(next))));
            }
        };
        conversation.renewed = true;
        let is_all = input.len() == length;
        if request.body == Body::Bytes(0) {
            return Ok(Some((length, self.respond(conversation, connection, &request, head, is_all)?)));
        }
        let mut next = None;
        if request.expects_continue && is_all {
            if matches!(request.method, Method::Other | Method::Unknown) {
                // It waits for a sign to go on, and the answer is one not to: RFC 9110, section 10.1.1.
                let request = Request { persistence: Persistence::Closed, ..request };
                return Ok(Some((length, self.respond(conversation, connection, &request, head, false)?)));
            }
            self.out.clear();
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            next = self.send(conversation, connection, None, Then::GoOn, None)?;
        }
        conversation.on_its_way().held = Some((head.to_vec(), BodyReader::new(request.body, limits)));
        Ok(Some((length, next)))
    }

    /// More of a body, and at its end the answer to its head. None: it isn't all there. Else how much it was.
    fn read_past(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
        input: &[u8],
    ) -> Result<Option<(usize, Option<Next>)>> {
        let Some((_, body)) = &mut conversation.on_its_way().held else { return Ok(None) };
        let taken = body.take(input);
        let is_done = body.is_done();
        match taken {
            Ok(0) if !is_done => Ok(None),
            Ok(taken) if !is_done => Ok(Some((taken, None))),
            Ok(taken) => {
                let (head, _) = conversation.on_its_way().held.take().unwrap_or_else(|| unreachable!("it is there"));
                let mut room = NO_FIELDS;
                // It has been read before, and is the same.
                let Ok(request) = request::read(&head, &mut room, &self.server.limits) else { return Ok(None) };
                conversation.renewed = true;
                let is_all = taken == input.len();
                Ok(Some((taken, self.respond(conversation, connection, &request, &head, is_all)?)))
            }
            Err(refusal) => {
                let head = conversation.on_its_way().held.take().map(|(head, _)| head).unwrap_or_default();
                self.refuse(conversation, connection, refusal, &head).map(|next| Some((0, Some(next))))
            }
        }
    }
}
