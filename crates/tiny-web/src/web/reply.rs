//! What is said to a client: an answer, or why there is none; all of it, however little the kernel takes at once.

use anyhow::Result;
use common::berkeley::{OwnedFd, Shutdown, shutdown};
use common::events::Next;

use super::Web;
use crate::access_log::Entry;
use crate::client::Client;
use crate::outgoing::Reply;
use crate::request::{Persistence, Request, first_line};
use crate::response::Response;
use crate::status::Status;

/// How much of what a client says after the last reply is received. As much as of a body, whose sender may not have seen yet that it
/// is refused; who says more isn't listening.
const MOST_IGNORED_BYTES: u32 = 1024 * 1024;

impl Web<'_> {
    /// Answers a request, or refuses what was none: where the next one would begin is anybody's guess then, and this reply is
    /// the last. `is_all`: no more input has come.
    pub fn say(&mut self, client: &Client, head: &[u8], request: Result<&Request, Status>, is_all: bool) -> Reply {
        let response = request.map_or_else(Response::of_status, |request| self.answers.answer(request));
        let wanted = request.map(|request| request.persistence);
        let persistence = wanted.ok().filter(|_| !self.is_stopping()).unwrap_or(Persistence::Closed);
        let is_head = first_line(head).starts_with(b"HEAD ");
        let entry = self.server.log.as_ref().map(|_| {
            let fields = request.ok().map(|request| &request.fields);
            let length = if is_head { 0 } else { response.length() };
            Entry::new(&client.peer, &self.date, head, fields, response.status, length)
        });
        let mut data = std::mem::take(&mut self.out);
        data.clear();
        response.write_head(&mut data, &self.date, &self.server.constant, persistence);
        let content = if is_head { None } else { response.write_content(&mut data) };
        let then = match persistence {
            // Of a file much may still be on its way, and its client may say something before all has arrived; so may one
            // that doesn't know yet that this reply is the last.
            Persistence::Closed if is_all && wanted == Ok(Persistence::Closed) && content.is_none() => {
                Some(Next::Close)
            }
            Persistence::Closed => Some(Next::End),
            Persistence::Kept | Persistence::KeptOnRequest => None,
        };
        Reply { data, content, then, entry, left_before: None }
    }

    /// Sends a reply. None: that's it, and the connection goes on. What there is no room for is kept, and so is what can't be
    /// sent: the log tells how much of it was.
    ///
    /// Errors: as [`Reply::go_on`].
    #[inline(always)]
    pub fn send(&mut self, client: &mut Client, connection: &OwnedFd, mut reply: Reply) -> Result<Option<Next>> {
        let went_on = reply.go_on(connection);
        if matches!(went_on, Ok(None)) {
            return Ok(self.end(client, connection, reply));
        }
        keep(client, reply);
        went_on
    }

    /// A reply has been sent to its end.
    #[inline(never)]
    fn end(&mut self, client: &mut Client, connection: &OwnedFd, reply: Reply) -> Option<Next> {
        self.write_log(&reply);
        client.renewed = true;
        self.out = reply.data;
        reply.then.map(|next| if next == Next::End { leave(client, connection) } else { next })
    }

    /// Tells of a reply, of which so much as is left was not sent.
    pub fn write_log(&self, reply: &Reply) {
        if let (Some(log), Some(entry)) = (&self.server.log, &reply.entry) {
            log.write(&entry.line(reply.left()));
        }
    }
}

/// Keeps a reply for later, or once more.
#[cold]
fn keep(client: &mut Client, mut reply: Reply) {
    // Until it is sent, the client may say something.
    reply.then = reply.then.map(|_| Next::End);
    reply.data.shrink_to_fit();
    if reply.left_before.is_none() {
        reply.left_before = Some(reply.left());
        client.renewed = true;
    }
    client.reply = Some(Box::new(reply));
}

/// Says goodbye to a client that may still be sending, and reads on for a little. A `close` while there is input that nobody has
/// read would send RST, which can destroy the reply on its way: see RFC 9112, section 9.6.
fn leave(client: &mut Client, connection: &OwnedFd) -> Next {
    client.leaving = Some(MOST_IGNORED_BYTES);
    if shutdown(connection, Shutdown::Write).is_ok() { Next::End } else { Next::Close }
}
