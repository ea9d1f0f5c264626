//! The smallest browser: `socket`, `connect`, `send` a request, `recv` the reply until its end, `close`. The page comes as
//! it is, with nothing rendered.
//!
//! Its partner is `tiny-web`; any other server of plain HTTP will do.
//!
//! ```text
//! cargo run -p tiny-web --example browser -- --trace http://localhost:2000/
//! cargo run -p tiny-web --example browser -- localhost 2000 /
//! ```

#![forbid(unsafe_code)]

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use common::address::Address;
use common::berkeley::{OwnedFd, SocketType, close, connect, recv, send, socket};
use common::wait::{Interest, Wake, wait};
use common::{address, cli, exit};

const NAME: &str = "browser";
/// More than a page; a server that never stops must not fill our memory.
const REPLY_BYTES: usize = 16 * 1024 * 1024;
/// For the whole reply, so that a byte now and then doesn't count as an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Get a page, and show its status and its source
#[derive(Parser)]
#[command(name = NAME)]
struct Options {
    /// Address of the page, http://HOST:PORT/PATH, or the host alone
    #[arg(value_name = "URL|HOST", default_value = "http://localhost:2000/")]
    url: String,
    /// Port, after a host alone
    #[arg(default_value_t = cli::PORT)]
    port: u16,
    /// Path, after a host alone
    #[arg(default_value = "/")]
    path: String,
    #[command(flatten)]
    trace: cli::Trace,
}

fn main() -> ExitCode {
    exit::report(NAME, run(Options::parse()))
}

fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    let (host, port, path) = split(&options)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    let mut failures = Vec::new();
    for server in address::resolve(&host, port)? {
        match get(&server, request.as_bytes()) {
            Ok(reply) => return show(&page(&reply)?),
            Err(error) => failures.push(error),
        }
    }
    match failures.pop() {
        Some(only) if failures.is_empty() => Err(only),
        last => {
            let all: Vec<String> = failures.iter().chain(&last).map(exit::describe).collect();
            bail!("{}", all.join("; "))
        }
    }
}

/// The lecture's client: asks one server for one page, and returns all that it says.
fn get(server: &Address, request: &[u8]) -> Result<Vec<u8>> {
    let connection = socket(server.family(), SocketType::STREAM).context("cannot make a socket")?;
    let reply = ask(&connection, server, request);
    close(connection);
    reply
}

fn ask(connection: &OwnedFd, server: &Address, request: &[u8]) -> Result<Vec<u8>> {
    connect(connection, server).with_context(|| format!("cannot connect to {server}"))?;
    // So few bytes always go out in one piece, on a connection that has sent nothing yet.
    let sent = send(connection, request).context("cannot send the request")?;
    ensure!(sent == request.len(), "cannot send the request: only {sent} bytes of it were taken");
    let (mut reply, mut data) = (Vec::new(), [0; 32 * 1024]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let wake = wait(connection, Interest::IN, None, Some(deadline))?;
        ensure!(wake != Wake::TimedOut, "cannot wait any longer for the reply of {server}");
        match recv(connection, &mut data).context("cannot receive the reply")? {
            0 => break,
            length => reply.extend_from_slice(&data[..length]),
        }
        ensure!(reply.len() <= REPLY_BYTES, "cannot take the reply of {server}: it is too long");
    }
    Ok(reply)
}

/// What a reply comes to: its status, and the source of its page.
///
/// Errors: it's no reply, or less than was promised.
fn page(reply: &[u8]) -> Result<Vec<u8>> {
    let mut room = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut room);
    let httparse::Status::Complete(head) = response.parse(reply).context("cannot read the reply")? else {
        bail!("cannot read the reply: it ends too early");
    };
    let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let promised = length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
    let (content, status) = (&reply[head..], response.code.unwrap_or_default());
    let got = content.len();
    ensure!(
        promised.is_none_or(|promised: usize| promised == got),
        "cannot show the page: only {got} bytes of it came"
    );
    let mut page = format!("{status} {}\n\n", response.reason.unwrap_or_default()).into_bytes();
    page.extend_from_slice(content);
    Ok(page)
}

/// Writes to stdout. That nobody reads it any more is no error.
fn show(page: &[u8]) -> Result<()> {
    match std::io::stdout().lock().write_all(page) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write the page"),
        _ => Ok(()),
    }
}

/// Host, port and path of what was asked for.
fn split(options: &Options) -> Result<(String, u16, String)> {
    let Some(rest) = options.url.strip_prefix("http://") else {
        ensure!(!options.url.contains("://"), "cannot open {}: only http:// is spoken here", options.url);
        return Ok((options.url.clone(), options.port, options.path.clone()));
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    // The last colon, unless it is one of an address in brackets.
    Ok(match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host.to_owned(), port.parse().context("cannot read the port")?, path.to_owned()),
        None => (authority.to_owned(), 80, path.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_one_word_or_three() {
        let table = [
            ("", "localhost", 2000, "/"),
            ("http://a", "a", 80, "/"),
            ("http://a:8080/b/c?d:e", "a", 8080, "/b/c?d:e"),
            ("http://[::1]/", "[::1]", 80, "/"),
            ("http://[::1]:2000/", "[::1]", 2000, "/"),
            ("a 8080 /b", "a", 8080, "/b"),
        ];
        for (words, host, port, path) in table {
            let options = Options::parse_from([NAME].into_iter().chain(words.split_whitespace()));
            assert_eq!(split(&options).unwrap(), (host.to_owned(), port, path.to_owned()), "{words}");
        }
    }

    #[test]
    fn less_than_was_promised_is_an_error() {
        assert!(page(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na").is_ok());
        assert!(page(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na").is_err());
        assert!(page(b"HTTP/1.1 200 OK\r\nContent-Le").is_err());
        assert!(page(b"HTTP-Version: HTTP/1.0 200 OK\n\n").is_err(), "the lecture's server");
    }
}
