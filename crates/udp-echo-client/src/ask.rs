//! One question to a UDP server and its answer: `socket`, `connect`, `send`, `recv`.
//!
//! A datagram may get lost, and so may its reply; nobody tells. The client waits, sends it again, and waits twice as long.
//! `connect` sends nothing, but has the kernel deliver only this server's datagrams, and the news that nothing listens
//! there, which comes with the *next* call: `recv` or `send` fails with `ECONNREFUSED`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use common::address::{self, Address};
use common::berkeley::{self, OwnedFd, SocketType, connect, recv, send, socket};
use common::prefix::Prefix;
use common::wait::{Interest, Wake, wait};
use common::{Errno, exit, log, sockopt};

use crate::NAME;
use crate::flow::LARGEST_DATAGRAM_BYTES;
#[cfg(unix)]
use crate::own_name::OwnName;
use crate::silence::{Silence, forget_news};
use crate::timer::RetransmissionTimer;
use crate::unreachable::{is_unreachable, unreachable};

/// So many of the last questions are remembered: a second reply to one of them is late, or a duplicate, but not wrong.
const REMEMBERED: usize = 16;

/// What to do about the commonest mistake.
pub const ANOTHER_PREFIX: &str = "the server puts another text before its replies; see --prefix";

/// How long to wait, and how often.
pub struct Patience {
    /// How often to send again.
    pub retries: u32,
    /// How long to wait for the reply, as long as no round-trip time is known: the first RTO.
    pub first_wait: Duration,
    /// Whether to say so.
    pub verbose: bool,
}

/// A server, at one of its addresses.
pub struct Server {
    /// As the user called it.
    name: String,
    socket: Connected,
    peer: Address,
    /// None: replies come.
    silence: Option<Silence>,
    /// The addresses that have not been tried yet.
    others: VecDeque<Address>,
    /// What happened at those that have.
    failures: String,
    prefix: Prefix,
    patience: Patience,
    timer: RetransmissionTimer,
    asked: VecDeque<Vec<u8>>,
    data: Vec<u8>,
}

/// How one question ended, when nothing is broken.
enum Outcome {
    /// So many bytes came back.
    Reply(usize),
    /// Nothing listens at the address, or there is no way to it.
    Unreachable(Errno),
}

impl Server {
    /// Prepares to ask the server at the first address that `host` has. Nothing is sent yet.
    ///
    /// Errors: the name has no address, or no socket can be made for any.
    pub fn find(host: &str, port: u16, prefix: Prefix, patience: Patience) -> Result<Server> {
        let mut others = VecDeque::from(address::resolve(host, port)?);
        let name = address::called(host, port);
        let mut failures = String::new();
        let (socket, peer) = next_address(&name, &mut others, &mut failures)?;
        let (asked, data) = (VecDeque::new(), vec![0; LARGEST_DATAGRAM_BYTES]);
        let timer = RetransmissionTimer::new(patience.first_wait);
        Ok(Server { name, socket, peer, silence: None, others, failures, prefix, patience, timer, asked, data })
    }

    /// Sends the question, as often as it takes, hands the reply to `print` and checks it. As long as the server has not
    /// answered anything, a refusal moves on to its next address.
    ///
    /// Errors: refused everywhere; no reply after the last wait; a reply that is something else; what `print` returns.
    pub fn ask(&mut self, question: &[u8], print: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let length = loop {
            match self.exchange(question)? {
                Outcome::Reply(length) => break length,
                Outcome::Unreachable(errno) => {
                    if self.others.is_empty() || !self.asked.is_empty() {
                        return Err(errno).with_context(|| self.unreachable());
                    }
                    self.failures += &format!("{}: {}; ", self.peer, exit::plain(errno));
                    let (socket, peer) = next_address(&self.name, &mut self.others, &mut self.failures)?;
                    std::mem::replace(&mut self.socket, socket).close();
                    if let Some(silence) = self.silence.take() {
                        silence.ends();
                    }
                    self.peer = peer;
                }
            }
        };
        let reply = &self.data[..length];
        print(reply)?;
        if !self.prefix.answers(reply, question) {
            let what = format!("cannot accept the reply of {}: it differs from what was sent", self.peer);
            bail!(if reply.ends_with(question) { exit::hinted(what, ANOTHER_PREFIX) } else { Error::msg(what) });
        }
        self.asked.push_front(question.to_vec());
        self.asked.truncate(REMEMBERED);
        Ok(())
    }

    /// Ends the conversation, of which the server learns nothing.
    pub fn close(self) {
        self.socket.close();
        if let Some(silence) = self.silence {
            silence.ends();
        }
    }

    /// Sends the question and waits for a reply, again and again.
    fn exchange(&mut self, question: &[u8]) -> Result<Outcome> {
        let peer = self.peer.clone();
        let started = Instant::now();
        for attempt in 0..=self.patience.retries {
            let wait_for = self.timer.wait();
            let sent = Instant::now();
            match send(&self.socket.0, question) {
                // No room for it, now: like a datagram that is lost on the way.
                Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => {}
                Err(errno) if is_unreachable(errno) => return Ok(Outcome::Unreachable(errno)),
                Err(errno) => return Err(errno).with_context(|| format!("cannot send to {peer}")),
            }
            while let Wake::Ready(_) =
                wait(&self.socket.0, Interest::IN, None, Some(sent + wait_for)).context("cannot wait for the reply")?
            {
                match recv(&self.socket.0, &mut self.data) {
                    Ok(length) if self.is_old(&self.data[..length], question) => {}
                    Ok(length) => {
                        // Karn's rule: after a second sending, nobody knows which of the two this answers.
                        if attempt == 0 {
                            self.timer.measured(sent.elapsed());
                        }
                        self.say_timer();
                        return Ok(Outcome::Reply(length));
                    }
                    // It was too large for a packet on the way there: next time the kernel will send it in pieces.
                    Err(Errno::AGAIN | Errno::INTR | Errno::MSGSIZE) => forget_news(&self.socket.0),
                    Err(errno) if is_unreachable(errno) => return Ok(Outcome::Unreachable(errno)),
                    Err(errno) => return Err(errno).with_context(|| format!("cannot receive from {peer}")),
                }
            }
            self.timer.timed_out();
            self.silence.get_or_insert_with(|| Silence::begins(&self.socket.0, &peer));
            if self.patience.verbose && attempt < self.patience.retries {
                let waited = humantime::format_duration(Duration::from_micros(wait_for.as_micros() as u64));
                log::line(NAME, format_args!("no reply from {peer} within {waited}: sending again ({})", attempt + 1));
            }
        }
        let tries = self.patience.retries + 1;
        let plural = if tries == 1 { "" } else { "s" };
        let waited = humantime::format_duration(Duration::from_millis(started.elapsed().as_millis() as u64));
        let silence = format!("cannot get a reply from {peer}: silent after {tries} datagram{plural} and {waited}");
        let answers = |reply: &[u8]| self.prefix.answers(reply, question);
        match self.silence.as_ref().and_then(|silence| silence.who_answers(answers)) {
            Some(other) => bail!("{silence}; {other} answers instead, which was not asked"),
            None => bail!(silence),
        }
    }

    fn say_timer(&self) {
        if self.patience.verbose {
            log::line(NAME, &self.timer);
        }
    }

    /// Whether this is not the reply to this question, but one more to an earlier one.
    fn is_old(&self, reply: &[u8], question: &[u8]) -> bool {
        !self.prefix.answers(reply, question) && self.asked.iter().any(|asked| self.prefix.answers(reply, asked))
    }

    fn unreachable(&self) -> String {
        unreachable(&self.name, &self.failures, &self.peer)
    }
}

/// `socket` and `connect` for the first address that will have it.
fn next_address(name: &str, addresses: &mut VecDeque<Address>, failures: &mut String) -> Result<(Connected, Address)> {
    loop {
        let Some(address) = addresses.pop_front() else { bail!("cannot reach {name}: no address") };
        let connected = socket(address.family(), SocketType::DGRAM).and_then(|socket| {
            #[cfg(unix)]
            let name = OwnName::bind(&socket, &address)?;
            #[cfg(windows)]
            let name = ();
            connect(&socket, &address)?;
            sockopt::set_nonblocking(&socket)?;
            Ok(Connected(socket, name))
        });
        match connected {
            Ok(socket) => return Ok((socket, address)),
            Err(errno) if addresses.is_empty() => {
                return Err(errno).with_context(|| unreachable(name, failures, &address));
            }
            Err(errno) => *failures += &format!("{}: {}; ", address, exit::plain(errno)),
        }
    }
}

/// A socket, and what it is called in the file system, if that's where the server is.
#[cfg(unix)]
struct Connected(OwnedFd, #[allow(dead_code)] Option<OwnName>);
#[cfg(windows)]
struct Connected(OwnedFd, ());

impl Connected {
    fn close(self) {
        berkeley::close(self.0);
    }
}
