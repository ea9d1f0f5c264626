//! A careful client: it asks again what may have been lost on the way, and knows a late reply from a wrong one.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use common::Errno;
use common::address::Address;
use common::berkeley::{AsFd, OwnedFd, SocketType, close, connect, recv, send, socket};
use common::check::skip;
use common::prefix::Prefix;
use common::sockopt;
use common::wait::{Interest, Wake, wait, wait_for_any};

use crate::flow::{LARGEST_DATAGRAM_BYTES, beside};
#[cfg(unix)]
use crate::own_name::OwnName;
use crate::unreachable::is_unreachable;

/// How often a question is sent in all, at even distances. On the way to a server in the wide world one may get lost.
pub const SENDINGS: u32 = 3;
/// Nothing for so long: then nothing comes.
const QUIET: Duration = Duration::from_millis(100);
/// Who is refused waits so long before asking again: a server that makes a socket for each client may have none for a moment.
const PAUSE: Duration = Duration::from_millis(50);
/// So many of the last questions are remembered: one more reply to one of them is no wrong reply to another.
const REMEMBERED: usize = 128;
/// How much of a reply to show.
const EXCERPT_BYTES: usize = 48;
/// What a client's replies may take while it sends a burst.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// One client's socket, connected to the server, with a deadline for all that happens on it.
///
/// Beside it is one that hears whoever else answers: that a server does so from the wrong address is for one check to say, and
/// makes it no silent server in all the others.
pub struct Client {
    socket: Option<OwnedFd>,
    /// None: there is no room for it, or the server is in the file system.
    strangers: Option<OwnedFd>,
    #[cfg(unix)]
    _name: Option<OwnName>,
    server: Address,
    prefix: Prefix,
    timeout: Duration,
    deadline: Instant,
    asked: VecDeque<Vec<u8>>,
}

impl Client {
    /// `socket` and `connect`, for a server whose prefix isn't known.
    ///
    /// Errors: no way there.
    pub fn open(server: &Address, timeout: Duration) -> Result<Client> {
        Client::new(server, Prefix::new(b"").expect("nothing is not too long"), timeout, Instant::now() + timeout)
    }

    /// `socket` and `connect`. A question has at most so long to be answered, and all of them until the deadline.
    ///
    /// Errors: no way there.
    pub fn new(server: &Address, prefix: Prefix, timeout: Duration, deadline: Instant) -> Result<Client> {
        let cannot = || format!("cannot reach {server}");
        let socket = socket(server.family(), SocketType::DGRAM).with_context(cannot)?;
        #[cfg(unix)]
        let name = OwnName::bind(&socket, server).with_context(cannot)?;
        sockopt::set_nonblocking(&socket).with_context(cannot)?;
        sockopt::set_receive_buffer(&socket, RECEIVE_BUFFER_BYTES).with_context(cannot)?;
        connect(&socket, server).with_context(cannot)?;
        let strangers = if server.internet().is_some() { beside(&socket, server).ok() } else { None };
        let socket = Some(socket);
        Ok(Client {
            socket,
            strangers,
            #[cfg(unix)]
            _name: name,
            server: server.clone(),
            prefix,
            timeout,
            deadline,
            asked: VecDeque::new(),
        })
    }

    fn socket(&self) -> &OwnedFd {
        self.socket.as_ref().expect("a client has its socket until it leaves")
    }

    /// Whether the server is on this machine: then no network is between them.
    ///
    /// Errors: the socket is broken.
    pub fn is_at_home(&self) -> Result<bool> {
        let local = sockopt::getsockname(self.socket()).context("cannot ask for an address")?;
        Ok(match (self.server.internet(), local.internet()) {
            (Some(server), Some(local)) => {
                let (server, local) = (server.ip().to_canonical(), local.ip().to_canonical());
                server.is_loopback() || server == local
            }
            _ => true,
        })
    }

    /// One echo: sends a message, again if need be, and gets it back, once.
    ///
    /// Errors: it doesn't come back; or something else does.
    pub fn exchange(&mut self, message: &[u8]) -> Result<()> {
        match self.ask(message)? {
            Some(reply) => self.is_right(&reply, message),
            None => bail!("nothing came back of a datagram of {} bytes", message.len()),
        }
    }

    /// Sends a message, again if need be, and returns what comes back: all of it, with the prefix. None: nothing.
    ///
    /// Errors: it can't be sent; each time it finds nobody there.
    pub fn ask(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>> {
        let (began, mut sent, mut refused) = (Instant::now(), 0, 0);
        let until = self.deadline.min(began + self.timeout);
        while sent < SENDINGS && Instant::now() < until {
            self.say(message)?;
            sent += 1;
            let again = until.min(began + self.timeout * sent / SENDINGS);
            loop {
                match self.hear(again) {
                    Ok(Some(reply)) if self.is_old(&reply, message) => {}
                    Ok(Some(reply)) => return Ok(Some(reply)),
                    Ok(None) => break,
                    Err(errno) if refused + 1 == SENDINGS => return Err(errno).context("cannot receive"),
                    Err(_) => {
                        refused += 1;
                        thread::sleep(PAUSE);
                        break;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Sends a message, and doesn't look at what comes back yet.
    ///
    /// Errors: it can't be sent.
    pub fn say(&mut self, message: &[u8]) -> Result<()> {
        self.asked.push_front(message.to_vec());
        self.asked.truncate(REMEMBERED);
        let mut refused = 0;
        loop {
            match send(self.socket(), message) {
                Ok(_) => return Ok(()),
                Err(Errno::MSGSIZE) => return skip("this system sends no datagrams as large as that"),
                Err(Errno::AGAIN | Errno::NOBUFS) if Instant::now() < self.deadline => {
                    wait(self.socket(), Interest::OUT, None, Some(Instant::now() + PAUSE))?;
                }
                Err(Errno::INTR) => {}
                // The news of an earlier one: this one has not been sent yet.
                Err(errno) if is_unreachable(errno) && refused < SENDINGS => refused += 1,
                Err(errno) => return Err(errno).context("cannot send"),
            }
        }
    }

    /// Waits for the next datagram. None: none came.
    ///
    /// Errors: nobody listens there.
    fn hear(&self, until: Instant) -> Result<Option<Vec<u8>>, Errno> {
        let mut data = vec![0; LARGEST_DATAGRAM_BYTES];
        let sockets = [self.socket.as_ref(), self.strangers.as_ref()];
        let awaited: Vec<_> = sockets.iter().flatten().map(|socket| (socket.as_fd(), Interest::IN)).collect();
        while let Wake::Ready(_) = wait_for_any(&awaited, None, Some(until))? {
            for socket in sockets.into_iter().flatten() {
                match recv(socket, &mut data) {
                    Ok(length) => {
                        data.truncate(length);
                        return Ok(Some(data));
                    }
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(None)
    }

    /// Waits for the next datagram. None: none came.
    ///
    /// Errors: the socket is broken.
    pub fn hear_next(&self) -> Result<Option<Vec<u8>>> {
        self.hear_within(self.timeout)
    }

    /// As [`Self::hear_next`], for datagrams that come one close behind the other.
    ///
    /// Errors: as [`Self::hear_next`].
    pub fn hear_soon(&self) -> Result<Option<Vec<u8>>> {
        self.hear_within(QUIET)
    }

    fn hear_within(&self, patience: Duration) -> Result<Option<Vec<u8>>> {
        let until = self.deadline.min(Instant::now() + patience);
        loop {
            match self.hear(until) {
                // That one is lost; another may still be answered.
                Err(errno) if is_unreachable(errno) => {}
                result => return result.context("cannot receive"),
            }
        }
    }

    /// Sees to it that nothing more comes: each datagram has one reply.
    ///
    /// Errors: something does.
    pub fn hear_nothing(&self) -> Result<()> {
        match self.hear(self.deadline.min(Instant::now() + QUIET)).context("cannot receive")? {
            Some(more) => bail!("after the reply it sent {} as well", excerpt(&more)),
            None => Ok(()),
        }
    }

    /// A reply without its prefix.
    pub fn payload<'a>(&self, reply: &'a [u8]) -> &'a [u8] {
        reply.strip_prefix(self.prefix.as_bytes()).unwrap_or(reply)
    }

    /// Whether this is the reply to a message.
    ///
    /// Errors: it isn't, and how.
    pub fn is_right(&self, reply: &[u8], message: &[u8]) -> Result<()> {
        let Some(payload) = reply.strip_prefix(self.prefix.as_bytes()) else {
            bail!("the reply has no prefix: it is {}", excerpt(reply));
        };
        if payload == message {
            return Ok(());
        }
        let (came, sent) = (payload.len(), message.len());
        if message.starts_with(payload) {
            bail!("{came} of {sent} bytes came back, and the rest was cut off");
        } else if payload.starts_with(message) {
            bail!("{came} bytes came back of a datagram of {sent}: more than one in one");
        }
        let at = payload.iter().zip(message).take_while(|(came, sent)| came == sent).count();
        bail!("what came back differs from what was sent, from byte {at} on: it is {}", excerpt(payload))
    }

    /// Whether it answers an earlier question, and not this one.
    fn is_old(&self, reply: &[u8], message: &[u8]) -> bool {
        let payload = self.payload(reply);
        payload != message && self.asked.iter().any(|asked| asked == payload)
    }

    /// Leaves at once: what still comes finds nobody.
    pub fn leave(self) {
        drop(self);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        for socket in [self.socket.take(), self.strangers.take()].into_iter().flatten() {
            close(socket);
        }
    }
}

/// The beginning of some bytes, for people.
pub fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EXCERPT_BYTES)];
    let more = if shown.len() < bytes.len() {
        format!(" and {} bytes more", bytes.len() - shown.len())
    } else {
        String::new()
    };
    format!("\"{}\"{more}", shown.escape_ascii())
}
