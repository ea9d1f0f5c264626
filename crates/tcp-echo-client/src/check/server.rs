//! The server that is checked: how to come to it, what to say to it, and whether it is still there.

use std::cell::Cell;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result};
use common::address::Address;
use common::berkeley::OwnedFd;
use common::check::{Condition, our_shortage};
use common::{Errno, cli, exit, sockopt};

use super::client::Client;
use super::manner::Manner;
use crate::connect;

/// How long to wait before a server that has just behaved oddly is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// What no client of ours says in words: see [`Visit::line`].
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The server, and what is known of it.
pub struct Server {
    host: String,
    port: u16,
    /// Where it was found.
    pub address: Address,
    /// How long one check may take.
    pub timeout: Duration,
    /// How it answers.
    pub manner: Manner,
    /// Bytes, and letters, that the prefix doesn't have: in a reply they can only be what was sent.
    bytes: Vec<u8>,
    letters: Vec<u8>,
    noise: Cell<u64>,
    hangs_up: Cell<bool>,
}

impl Server {
    /// Connects for the first time.
    ///
    /// Errors: no address of the name works.
    pub fn find(named: &cli::Server, timeout: Duration) -> Result<(OwnedFd, Address)> {
        connect::to_any(&named.host, named.port, timeout)
    }

    /// The server at this address, which answers in this manner.
    pub fn new(named: cli::Server, address: Address, manner: Manner, timeout: Duration) -> Server {
        let host = match address.internet() {
            Some(SocketAddr::V6(v6)) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            Some(address) => address.ip().to_string(),
            None => named.host,
        };
        let prefix = manner.prefix.as_bytes();
        let without_prefix = |all: &[u8]| -> Vec<u8> {
            let others: Vec<u8> = all.iter().copied().filter(|byte| !prefix.contains(byte)).collect();
            if others.is_empty() { all.to_vec() } else { others }
        };
        let all: Vec<u8> = (0..=255).collect();
        let (bytes, letters) = (without_prefix(&all), without_prefix(LETTERS));
        let (noise, hangs_up) = (Cell::new(0x9E37_79B9_7F4A_7C15), Cell::new(true));
        Server { host, port: named.port, address, timeout, manner, bytes, letters, noise, hangs_up }
    }

    /// What one check has to do with the server: the time for it begins.
    pub fn visit(&self) -> Visit<'_> {
        Visit { server: self, deadline: Instant::now() + self.timeout }
    }

    /// How long the server has for a check, in words.
    pub fn patience(&self) -> impl std::fmt::Display + use<> {
        humantime::format_duration(self.timeout)
    }

    /// How long a client that leaves waits for the server to leave as well.
    pub fn leaving_time(&self) -> Duration {
        if self.hangs_up.get() { self.timeout } else { Duration::ZERO }
    }

    /// The server hasn't closed a connection after the client had said its last word. To see that once is enough.
    pub fn does_not_hang_up(&self) {
        self.hangs_up.set(false);
    }

    /// Asks it for one echo. A connection that breaks may be the last sign of a server that is about to end: then again.
    pub fn condition(&self) -> Condition {
        let visit = self.visit();
        loop {
            let error = match self.ask(&visit) {
                Ok(()) => return Condition::Serves,
                Err(error) => error,
            };
            if is_nobody_there(&error) {
                return Condition::Gone(exit::describe(&error));
            }
            if Instant::now() + PAUSE > visit.deadline || our_shortage(&error).is_some() {
                return Condition::after(&error);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Any reply will do: whether it is right is for the checks to say.
    fn ask(&self, visit: &Visit) -> Result<()> {
        let mut client = visit.client()?;
        let result = client.be_served(&visit.line());
        if client.has_heard() { Ok(()) } else { result }
    }
}

/// Nothing listens there; or, for a socket in the file system, its file is gone.
fn is_nobody_there(error: &Error) -> bool {
    let errno = error.root_cause().downcast_ref();
    #[cfg(unix)]
    if errno == Some(&Errno::NOENT) {
        return true;
    }
    errno == Some(&Errno::CONNREFUSED)
}

/// One check's dealings with the server, with one deadline for all of them.
pub struct Visit<'a> {
    /// Whom it goes to.
    pub server: &'a Server,
    deadline: Instant,
}

impl<'a> Visit<'a> {
    /// A new connection.
    ///
    /// Errors: there is none to be had.
    pub fn client(&self) -> Result<Client<'a>> {
        Ok(Client::new(self.server, self.connect()?, self.deadline))
    }

    fn connect(&self) -> Result<OwnedFd> {
        let left = self.left().max(Duration::from_millis(1));
        let (connection, address) = connect::to_any(&self.server.host, self.server.port, left)?;
        if address.internet().is_some() {
            sockopt::set_no_delay(&connection).context("cannot set the connection up")?;
        }
        Ok(connection)
    }

    /// How much time there is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// When all of the time is over.
    pub fn end(&self) -> Instant {
        self.deadline
    }

    /// When half of it is over: what is one part of a check, and could go on for ever, ends then.
    pub fn half_time(&self) -> Instant {
        self.deadline - self.server.timeout / 2
    }

    /// Whether that is so.
    pub fn is_half_over(&self) -> bool {
        Instant::now() > self.half_time()
    }

    /// A line of a few letters, another one each time.
    pub fn line(&self) -> Vec<u8> {
        let mut line = self.word();
        line.push(self.last_byte());
        line
    }

    /// A few letters without a newline.
    pub fn word(&self) -> Vec<u8> {
        self.some_of(&self.server.letters, 16)
    }

    /// `length` bytes without a pattern, others each time, and the last as the last of a line.
    pub fn noise(&self, length: usize) -> Vec<u8> {
        let mut noise = self.some_of(&self.server.bytes, length - 1);
        noise.push(self.last_byte());
        noise
    }

    /// A newline, for a server that waits for one; or what the prefix does not have.
    pub fn last_byte(&self) -> u8 {
        let bytes = &self.server.bytes;
        if bytes.contains(&b'\n') { b'\n' } else { bytes[0] }
    }

    fn some_of(&self, bytes: &[u8], length: usize) -> Vec<u8> {
        let mut state = self.server.noise.get();
        let some = (0..length).map(|_| {
            // Marsaglia's xorshift: no secret, but without a pattern.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[(state >> 32) as usize % bytes.len()]
        });
        let some = some.collect();
        self.server.noise.set(state);
        some
    }
}
