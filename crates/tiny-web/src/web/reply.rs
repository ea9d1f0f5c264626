//! What is said to a client: an answer, or why there is none; all of it, however little the kernel takes at once.

use anyhow::{Context, Result};
use common::Errno;
use common::berkeley::{OwnedFd, Shutdown, send, shutdown};
use common::events::Next;

use super::Web;
use crate::access_log::Entry;
use crate::client::Client;
use crate::outgoing::{Outgoing, Reply, Then};
use crate::request::{Persistence, Request, first_line};
use crate::response::Response;
use crate::status::Status;

impl Web<'_> {
    /// Answers a request. `is_all`: no more input has come.
    pub fn respond(&mut self, client: &Client, request: &Request, head: &[u8], is_all: bool) -> Outgoing {
        let response = self.answers.answer(request);
        self.say(client, response, head, Some(request), is_all)
    }

    /// Refuses a request. Where the next one would begin is anybody's guess: this reply is the last.
    #[cold]
    pub fn refuse(&mut self, client: &Client, refusal: Status, head: &[u8]) -> Outgoing {
        self.look_at_the_clock();
        self.say(client, Response::of_status(refusal), head, None, false)
    }

    /// Makes a response ready. Without a request, what came was none.
    fn say(
        &mut self,
        client: &Client,
        response: Response,
        head: &[u8],
        request: Option<&Request>,
        is_all: bool,
    ) -> Outgoing {
        let persistence = match request {
            Some(request) if !self.is_stopping() => request.persistence,
            _ => Persistence::Closed,
        };
        // A client that doesn't know yet that this reply is the last may have its next request on its way.
        let is_known = request.is_some_and(|request| request.persistence == Persistence::Closed);
        let is_head = first_line(head).starts_with(b"HEAD ");
        let length = if is_head { 0 } else { response.length() };
        let entry = self.server.log.as_ref().map(|_| {
            let fields = request.map(|request| &request.fields);
            (Entry::new(&client.peer, &self.date, head, fields, response.status), length)
        });
        self.out.clear();
        response.write_head(&mut self.out, &self.date, &self.server.constant, persistence);
        let file = if is_head { None } else { response.write_body(&mut self.out) };
        let then = match persistence {
            // Of a file much may still be on its way, and its client may say something before all has arrived.
            Persistence::Closed if is_all && is_known && file.is_none() => Then::Close,
            Persistence::Closed => Then::Leave,
            Persistence::Kept | Persistence::KeptOnRequest => Then::GoOn,
        };
        Outgoing { file, then, entry }
    }

    /// Sends a reply. None: that's it, and the connection goes on. What there is no room for is kept.
    ///
    /// Errors: as [`Reply::go_on`]. The reply is kept then too: the log tells how much of it was sent.
    #[inline(always)]
    pub fn send(&mut self, client: &mut Client, connection: &OwnedFd, mut outgoing: Outgoing) -> Result<Option<Next>> {
        let sent = match send(connection, &self.out) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(errno) => {
                self.keep(client, 0, outgoing, 0);
                return Err(errno).context("cannot send");
            }
        };
        if sent < self.out.len() {
            self.keep(client, sent, outgoing, 0);
            return self.go_on_sending(client, connection);
        }
        if let Some(rest) = &mut outgoing.file {
            let before = rest.part.start;
            let next = rest.go_on(connection);
            if !matches!(next, Ok(None)) {
                let taken = rest.part.start - before;
                self.keep(client, sent, outgoing, taken);
                return next;
            }
        }
        if outgoing.then == Then::GoOn && outgoing.entry.is_none() {
            return Ok(None);
        }
        Ok(self.end(client, connection, outgoing))
    }

    /// Keeps a reply for later, of which so much is sent, and the client has taken so much of its file.
    #[cold]
    fn keep(&self, client: &mut Client, sent: usize, mut outgoing: Outgoing, taken: u64) {
        if outgoing.then == Then::Close {
            // Until it is sent, the client may say something.
            outgoing.then = Then::Leave;
        }
        client.renewed = true;
        client.on_its_way().reply = Some(Reply { data: self.out[sent..].to_vec(), sent: 0, outgoing, taken });
    }

    /// Goes on with a reply that is on its way. None: there is none any more.
    #[cold]
    pub fn go_on_sending(&mut self, client: &mut Client, connection: &OwnedFd) -> Result<Option<Next>> {
        let Some(reply) = client.reply() else { return Ok(None) };
        if let Some(next) = reply.go_on(connection)? {
            return Ok(Some(next));
        }
        let Some(reply) = client.on_its_way().reply.take() else { return Ok(None) };
        client.renewed = true;
        Ok(self.end(client, connection, reply.outgoing))
    }

    /// A reply has been sent to its end.
    #[inline(never)]
    fn end(&self, client: &mut Client, connection: &OwnedFd, outgoing: Outgoing) -> Option<Next> {
        self.write_log(outgoing.entry);
        match outgoing.then {
            Then::GoOn => None,
            Then::Close => Some(Next::Close),
            Then::Leave => Some(leave(client, connection)),
        }
    }

    pub fn write_log(&self, entry: Option<(Entry, u64)>) {
        if let (Some(log), Some((entry, bytes))) = (&self.server.log, entry) {
            log.write(&entry.line(bytes));
        }
    }
}

/// Says goodbye to a client that may still be sending, and reads on for a little. A `close` while there is input that nobody has
/// read would send RST, which can destroy the reply on its way: see RFC 9112, section 9.6.
fn leave(client: &mut Client, connection: &OwnedFd) -> Next {
    client.leaving = true;
    if shutdown(connection, Shutdown::Write).is_ok() { Next::End } else { Next::Close }
}
