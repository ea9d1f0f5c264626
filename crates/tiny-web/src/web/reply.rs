//! What is said to a client: an answer, or why there is none; all of it, however little the kernel takes at once.

use anyhow::Result;
use common::berkeley::{OwnedFd, Shutdown, shutdown};
use common::events::Next;

use super::Web;
use crate::access_log::Entry;
use crate::connection::{Conversation, Reply, Rest, send_some};
use crate::request::{Persistence, Request, first_line};
use crate::response::Response;
use crate::status::Status;

/// What becomes of the connection after a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// It is closed. The client wants that, all input has been read, and a small reply is on its way: nothing is lost.
    Close,
    /// It is closed in a while: see [`Web::leave`].
    Leave,
}

impl Web<'_> {
    /// Answers a request. None: and is ready for the next. `is_all`: no more input has come.
    pub(super) fn respond(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
        request: &Request,
        head: &[u8],
        is_all: bool,
    ) -> Result<Option<Next>> {
        let response = self.answers.answer(request);
        self.say(conversation, connection, response, head, Some(request), is_all)
    }

    /// Refuses a request. Where the next one would begin is anybody's guess: this reply is the last.
    pub(super) fn refuse(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
        refusal: Status,
        head: &[u8],
    ) -> Result<Next> {
        self.look_at_the_clock();
        let next = self.say(conversation, connection, Response::of_status(refusal), head, None, false)?;
        Ok(next.unwrap_or(Next::Close))
    }

    /// Sends a response. Without a request, what came was none.
    fn say(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
        response: Response,
        head: &[u8],
        request: Option<&Request>,
        is_all: bool,
    ) -> Result<Option<Next>> {
        let persistence = match request {
            Some(request) if !self.is_stopping() => request.persistence,
            _ => Persistence::Closed,
        };
        // A client that doesn't know yet that this reply is the last may have its next request on its way.
        let is_known = request.is_some_and(|request| request.persistence == Persistence::Closed);
        let then = match persistence {
            Persistence::Closed if is_all && is_known => Then::Close,
            Persistence::Closed => Then::Leave,
            Persistence::Kept | Persistence::KeptOnRequest => Then::GoOn,
        };
        let is_head = first_line(head).starts_with(b"HEAD ");
        let length = if is_head { 0 } else { response.length() };
        let entry = self.server.log.as_ref().map(|_| {
            let fields = request.map(|request| &request.fields);
            (Entry::new(&conversation.peer, self.date.as_bytes(), head, fields, response.status), length)
        });
        self.out.clear();
        response.write_head(&mut self.out, self.date.as_bytes(), &self.server.constant, persistence);
        let file = if is_head { None } else { response.write_body(&mut self.out) };
        self.send(conversation, connection, file, then, entry)
    }

    /// Sends what is in `out`, and the file after it. None: that's it, and the connection goes on. What there is no room for is
    /// kept.
    pub(super) fn send(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
        file: Option<Rest>,
        then: Then,
        entry: Option<(Entry, u64)>,
    ) -> Result<Option<Next>> {
        let sent = send_some(connection, &self.out)?;
        if sent == self.out.len() && file.is_none() {
            self.write_log(entry);
            return match then {
                Then::GoOn => Ok(None),
                Then::Close => Ok(Some(Next::Close)),
                Then::Leave => self.leave(conversation, connection).map(Some),
            };
        }
        let data = self.out[sent..].to_vec();
        let is_last = then != Then::GoOn;
        conversation.renewed = true;
        conversation.on_its_way().reply = Some(Reply { data, sent: 0, file, is_last, entry, taken: 0 });
        self.go_on_sending(conversation, connection)
    }

    /// Goes on with a reply that is on its way. None: there is none any more.
    pub(super) fn go_on_sending(
        &mut self,
        conversation: &mut Conversation,
        connection: &OwnedFd,
    ) -> Result<Option<Next>> {
        let Some(reply) = conversation.reply() else { return Ok(None) };
        if let Some(next) = reply.go_on(connection)? {
            return Ok(Some(next));
        }
        let reply = conversation.on_its_way().reply.take();
        conversation.renewed = true;
        let is_last = reply.as_ref().is_some_and(|reply| reply.is_last);
        self.write_log(reply.and_then(|reply| reply.entry));
        if is_last { self.leave(conversation, connection).map(Some) } else { Ok(None) }
    }

    pub(super) fn write_log(&self, entry: Option<(Entry, u64)>) {
        if let (Some(log), Some((entry, bytes))) = (&self.server.log, entry) {
            log.write(&entry.line(bytes));
        }
    }

    /// Says goodbye to a client that may still be sending, and reads on for a little. A `close` while there is input that
    /// nobody has read would send RST, which can destroy the reply on its way: see RFC 9112, section 9.6.
    fn leave(&self, conversation: &mut Conversation, connection: &OwnedFd) -> Result<Next> {
        conversation.leaving = true;
        Ok(if shutdown(connection, Shutdown::Write).is_ok() { Next::End } else { Next::Close })
    }
}
