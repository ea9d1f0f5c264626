//! What the server does for one client: receive a request, answer it, and again, until one of the two has had enough.

use std::time::Instant;

use anyhow::{Context, Result};
use common::address::Address;
use common::berkeley::OwnedFd;
use common::{exit, log};

use crate::request::{self, Body, HeadEnd, Method, Persistence, Request};
use crate::response::{Content, Response, answer};
use crate::serve::Server;
use crate::status::Status;
use crate::stream::{Received, Stream};

/// Serves one client until the connection is done with. Whatever happens concerns this client alone, and is only told. The
/// caller closes the connection.
pub fn converse(connection: &OwnedFd, peer: &Address, server: &Server) {
    if let Err(error) = talk(connection, server) {
        log::client(crate::NAME, format_args!("lost {peer}: {}", exit::describe(&error)));
    }
}

/// Answers one request after the other, in their order: a client may send the next before it has the reply to the last.
///
/// Errors: the connection broke, or the server's patience is at its end, in the middle of a request or a reply.
fn talk(connection: &OwnedFd, server: &Server) -> Result<()> {
    let mut stream = Stream::new(connection, &server.patience).context("cannot set the connection up")?;
    while stream.request_begins() {
        let request = match receive(&mut stream, server)? {
            Ok(request) => request,
            Err(refusal) => {
                // Where the next request would begin is anybody's guess: this reply is the last.
                send(&mut stream, Response::of_status(refusal), Persistence::Closed, Method::Get)?;
                stream.linger();
                return Ok(());
            }
        };
        let response = answer(&request, &server.site);
        let is_stopping = server.patience.stop.is_asked();
        let persistence = if is_stopping { Persistence::Closed } else { request.persistence };
        send(&mut stream, response, persistence, request.method)?;
        if persistence == Persistence::Closed {
            // Whatever the client has said, it may still be sending.
            stream.linger();
            return Ok(());
        }
    }
    Ok(())
}

/// Receives a request, its body included, within the time for a head. The body is thrown away.
///
/// Errors: as [`talk`]. Within: the status to refuse the request with.
fn receive(stream: &mut Stream, server: &Server) -> Result<Result<Request, Status>> {
    let deadline = Instant::now() + server.head_timeout;
    let mut end = HeadEnd::default();
    let length = loop {
        match end.find(&stream.input) {
            Ok(Some(length)) => break length,
            Ok(None) => {}
            Err(refusal) => return Ok(Err(refusal)),
        }
        if let Some(refusal) = incomplete(stream.receive(deadline)?) {
            return Ok(Err(refusal));
        }
    };
    let request = match request::read(&stream.input[..length]) {
        Ok(request) => request,
        Err(refusal) => return Ok(Err(refusal)),
    };
    stream.discard(length as u64);
    if let Body::Bytes(mut left) = request.body {
        left -= stream.discard(left);
        while left > 0 {
            if let Some(refusal) = incomplete(stream.receive(deadline)?) {
                return Ok(Err(refusal));
            }
            left -= stream.discard(left);
        }
    }
    Ok(Ok(request))
}

/// What to say when the rest of a request doesn't come.
fn incomplete(received: Received) -> Option<Status> {
    match received {
        Received::More => None,
        Received::End => Some(Status::BadRequest),
        Received::Late => Some(Status::RequestTimeout),
    }
}

/// Sends a response: the head, and what comes after it. A small one goes out in one `send`.
///
/// Errors: as [`talk`]; the file got shorter, or can't be read.
fn send(stream: &mut Stream, response: Response, persistence: Persistence, method: Method) -> Result<()> {
    let mut head = response.head(persistence);
    match response.content {
        _ if method == Method::Head => stream.send_all(&head),
        Content::Page(page) => {
            head.extend(page.into_bytes());
            stream.send_all(&head)
        }
        Content::File(content) => stream.send_file(&head, content.file, content.length),
    }
}
