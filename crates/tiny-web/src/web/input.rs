//! What a client has said: requests, taken from the input one after the other, and each answered.

use std::borrow::Cow;

use anyhow::Result;
use common::berkeley::OwnedFd;
use common::events::Next;

use super::Web;
use crate::body::BodyReader;
use crate::client::Client;
use crate::outgoing::{Outgoing, Then};
use crate::request::{self, Body, HeadEnd, Method, NO_FIELDS, Persistence, Request};

/// How much of the input has been understood, and what there is to say to it, if anything.
type Step = (usize, Option<Outgoing>);

impl Web<'_> {
    /// Answers one request after the other, in their order: a client may send the next before it has the reply to the last.
    /// None: there is room for more, and what is left of the input is no whole request.
    #[inline(always)]
    pub fn serve(&mut self, client: &mut Client, connection: &OwnedFd, input: Cow<[u8]>) -> Result<Option<Next>> {
        let (mut used, mut next) = (0, None);
        while next.is_none() && used < input.len() {
            let Some((taken, outgoing)) = self.understand(client, &input[used..]) else { break };
            used += taken;
            if let Some(outgoing) = outgoing {
                next = self.send(client, connection, outgoing)?;
            }
        }
        if used < input.len() && !client.leaving {
            client.keep_input(input, used);
        }
        Ok(next)
    }

    /// The next thing that a client has said. None: it isn't all there. This makes no system call, unless a file isn't known yet.
    #[inline(never)]
    fn understand(&mut self, client: &mut Client, input: &[u8]) -> Option<Step> {
        if client.now().is_some_and(|now| now.held.is_some()) {
            self.read_past(client, input)
        } else {
            self.read_head(client, input)
        }
    }

    /// A head, and the answer to it, unless a body comes first.
    fn read_head(&mut self, client: &mut Client, input: &[u8]) -> Option<Step> {
        let limits = &self.server.heads;
        let mut end = match client.now() {
            None => HeadEnd::default(),
            Some(_) => std::mem::take(&mut client.on_its_way().end),
        };
        let length = match end.find(input, limits) {
            Ok(Some(length)) => length,
            Ok(None) => {
                client.on_its_way().end = end;
                return None;
            }
            Err(refusal) => return Some((0, Some(self.refuse(client, refusal, input)))),
        };
        let head = &input[..length];
        let mut room = NO_FIELDS;
        let request = match request::read(head, &mut room, limits) {
            Ok(request) => request,
            Err(refusal) => return Some((0, Some(self.refuse(client, refusal, head)))),
        };
        client.renewed = true;
        let is_all = input.len() == length;
        if request.body == Body::Bytes(0) {
            return Some((length, Some(self.respond(client, &request, head, is_all))));
        }
        let mut outgoing = None;
        if request.expects_continue && is_all {
            if matches!(request.method, Method::Other | Method::Unknown) {
                // It waits for a sign to go on, and the answer is one not to: RFC 9110, section 10.1.1.
                let request = Request { persistence: Persistence::Closed, ..request };
                return Some((length, Some(self.respond(client, &request, head, false))));
            }
            self.out.clear();
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            outgoing = Some(Outgoing { file: None, then: Then::GoOn, entry: None });
        }
        client.on_its_way().held = Some((head.to_vec(), BodyReader::new(request.body, limits)));
        Some((length, outgoing))
    }

    /// More of a body, and at its end the answer to its head.
    fn read_past(&mut self, client: &mut Client, input: &[u8]) -> Option<Step> {
        let (_, body) = client.on_its_way().held.as_mut()?;
        let taken = match body.take(input) {
            Ok(taken) if !body.is_done() => return (taken > 0).then_some((taken, None)),
            taken => taken,
        };
        let head = client.head();
        let mut room = NO_FIELDS;
        // The head has been read before, and is the same.
        let request = request::read(&head, &mut room, &self.server.heads);
        match taken.and_then(|taken| Ok((taken, request?))) {
            Ok((taken, request)) => {
                client.renewed = true;
                Some((taken, Some(self.respond(client, &request, &head, taken == input.len()))))
            }
            Err(refusal) => Some((0, Some(self.refuse(client, refusal, &head)))),
        }
    }
}
