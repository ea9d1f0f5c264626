//! What a client has said: requests, taken from the input one after the other, and each answered.

use anyhow::Result;
use common::berkeley::OwnedFd;
use common::events::Next;

use super::Web;
use crate::body::BodyReader;
use crate::client::Client;
use crate::outgoing::Reply;
use crate::request::{self, Body, HeadEnd, NO_FIELDS, Persistence, Request};
use crate::site::is_served;

/// How much of the input has been understood, and what there is to say to it, if anything.
type Step = (usize, Option<Reply>);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Web<'_> {
    /// Answers one request after the other, in their order: a client may send the next before it has the reply to the last.
    /// None: there is room for more, and what is left of the input is no whole request. Requests that are too many for one turn
    /// are kept for the next. `length`: so much has come, and is in the buffer.
    #[inline(always)]
    pub fn serve(&mut self, client: &mut Client, connection: &OwnedFd, length: usize) -> Result<Option<Next>> {
        let (mut input, mut end) = client.input.take().map(|input| *input).unwrap_or_default();
        input.extend_from_slice(&self.buffer[..length]);
        let (mut used, mut next) = (0, None);
        client.is_put_off = false;
        while next.is_none() && used < input.len() {
            if self.answers.work_left == 0 {
                client.is_put_off = true;
                next = Some(Next::Turn);
                break;
            }
            let rest = &input[used..];
            let is_body = client.held.is_some();
            let step = if is_body { self.read_past(client, rest) } else { self.read_head(client, rest, &mut end) };
            let Some((taken, reply)) = step else { break };
            used += taken;
            if let Some(reply) = reply {
                next = self.send(client, connection, reply)?;
            }
        }
        if used < input.len() && client.leaving.is_none() {
            client.input = Some(Box::new((rest(input, used), end)));
        }
        Ok(next)
    }

    /// A head, and the answer to it, unless a body comes first. None: it isn't all there. This makes no system call, unless a
    /// file isn't known yet.
    #[inline(never)]
    fn read_head(&mut self, client: &mut Client, input: &[u8], end: &mut HeadEnd) -> Option<Step> {
        let limits = &self.server.heads;
        let mut room = NO_FIELDS;
        let head = end.find(input, limits).transpose()?.map(|end| &input[..end]);
        let understood = head.and_then(|head| Ok((head, request::read(head, &mut room, limits)?)));
        let (head, request) = match understood {
            Ok(understood) => understood,
            Err(refusal) => return Some((0, Some(self.say(client, input, Err(refusal), false)))),
        };
        *end = HeadEnd::default();
        client.renewed = true;
        let is_all = input.len() == head.len();
        let waits = request.expects_continue && is_all;
        let reply = if request.body == Body::Bytes(0) {
            Some(self.say(client, head, Ok(&request), is_all))
        } else if waits && !is_served(request.method) {
            // It waits for a sign to go on, and the answer is one not to: RFC 9110, section 10.1.1.
            let request = Request { persistence: Persistence::Closed, ..request };
            Some(self.say(client, head, Ok(&request), false))
        } else {
            client.held = Some(Box::new((head.to_vec(), BodyReader::new(request.body, limits))));
            waits.then(|| Reply { data: CONTINUE.to_vec(), ..Reply::default() })
        };
        Some((head.len(), reply))
    }

    /// More of a body, and at its end the answer to its head. None: there is no more.
    #[inline(never)]
    fn read_past(&mut self, client: &mut Client, input: &[u8]) -> Option<Step> {
        let (_, body) = &mut **client.held.as_mut()?;
        let taken = match body.take(input) {
            Ok(taken) if !body.is_done() => return (taken > 0).then_some((taken, None)),
            taken => taken,
        };
        let (head, _) = *client.held.take()?;
        let mut room = NO_FIELDS;
        // The head has been read before, and is the same.
        let request = taken.and_then(|_| request::read(&head, &mut room, &self.server.heads));
        client.renewed |= request.is_ok();
        let is_all = taken == Ok(input.len());
        let reply = self.say(client, &head, request.as_ref().map_err(|status| *status), is_all);
        Some((taken.unwrap_or_default(), Some(reply)))
    }
}

/// What is left of the input. It takes no more room than it has to: a client may stay for long with a byte of it.
fn rest(input: Vec<u8>, used: usize) -> Vec<u8> {
    if used > 0 { input[used..].to_vec() } else { input }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_the_input_takes_no_more_room_than_it_has_to() {
        let input = [b"x".repeat(32_000), b"\r".to_vec()].concat();
        assert_eq!(rest(input.clone(), 0), input);
        let left = rest(input, 32_000);
        assert!(left == b"\r" && left.capacity() < 100, "{}", left.capacity());
    }
}
