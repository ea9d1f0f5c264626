//! A careful client: it reads while it writes, checks every byte, never waits for ever, and leaves politely.
//!
//! Politely, because what a bad server doesn't survive is for the one check that is about it to find out.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use common::Errno;
use common::berkeley::{OwnedFd, Shutdown, close, recv, send, shutdown};
use common::check::skip;
use common::wait::{Interest, Wake, wait};
use rustix::net::{self, SendFlags};

use super::reply::Reply;
use super::server::Server;
use crate::BUFFER_BYTES;

/// Nothing for so long: then nothing comes.
const QUIET: Duration = Duration::from_millis(200);

/// What is sent waits for what comes after it, at most 200 ms. See send(2).
#[cfg(target_os = "linux")]
const UNTIL_MORE: SendFlags = SendFlags::MORE;
#[cfg(not(target_os = "linux"))]
const UNTIL_MORE: SendFlags = SendFlags::empty();

/// What a client could send that never read.
pub struct Filled {
    bytes: usize,
    /// The time was over, and there was still room.
    is_cut_short: bool,
}

impl Filled {
    /// How many bytes.
    ///
    /// Errors: the check is skipped, since nobody knows yet whether the server makes its client wait.
    pub fn in_time(&self) -> Result<usize> {
        if self.is_cut_short {
            return skip(format!(
                "the server still took more, {} bytes so far, when the time for it was over: a longer --timeout has more",
                self.bytes
            ));
        }
        Ok(self.bytes)
    }
}

/// One connection to the server, with a deadline for all that happens on it.
pub struct Client<'a> {
    server: &'a Server,
    connection: Option<OwnedFd>,
    deadline: Instant,
    reply: Reply<'a>,
}

impl<'a> Client<'a> {
    /// A client that has just been connected.
    pub fn new(server: &'a Server, connection: OwnedFd, deadline: Instant) -> Client<'a> {
        Client { server, connection: Some(connection), deadline, reply: Reply::new(&server.manner) }
    }

    /// The descriptor, for a check that does something unusual with it.
    pub fn connection(&self) -> &OwnedFd {
        self.connection.as_ref().expect("a client has its connection until it leaves")
    }

    /// Sends a message, and receives until all that was ever sent has come back.
    ///
    /// Errors: it doesn't; or something else does.
    pub fn exchange(&mut self, message: &[u8]) -> Result<()> {
        self.converse(message, false)
    }

    /// Sends the last message, says that it was the last (`shutdown`), and receives until the end.
    ///
    /// Errors: not exactly what was sent has come back; or there is no end; or it is a reset.
    pub fn last_exchange(&mut self, message: &[u8]) -> Result<()> {
        self.converse(message, true)
    }

    /// One echo, from a server that answers at once or only at the end. Of one whose replies are never right, any will do.
    ///
    /// Errors: there is no reply; or it is wrong.
    pub fn be_served(&mut self, message: &[u8]) -> Result<()> {
        let manner = &self.server.manner;
        if manner.is_exact {
            return self.converse(message, !manner.at_once);
        }
        self.say(message)?;
        if !manner.at_once {
            self.has_said_all()?;
        }
        self.wait_for_reply()?;
        if self.hear()? { Ok(()) } else { bail!("the server has ended the conversation without a reply") }
    }

    /// Sends a message, and doesn't look at the reply yet.
    ///
    /// Errors: it can't be sent.
    pub fn say(&mut self, message: &[u8]) -> Result<()> {
        self.reply.is_owed(message);
        let mut unsent = message;
        while !unsent.is_empty() {
            let Wake::Ready(_) = wait(self.connection(), Interest::OUT, None, Some(self.deadline))? else {
                bail!("the server had not taken {} bytes when {} were over", message.len(), self.server.patience());
            };
            self.send_some(&mut unsent)?;
        }
        Ok(())
    }

    /// Tells the server that this was the last word: `shutdown`.
    ///
    /// Errors: the connection is broken.
    pub fn has_said_all(&self) -> Result<()> {
        shutdown(self.connection(), Shutdown::Write)
            .with_context(|| self.reply.so_far_and_then("cannot shut down the client's side"))
    }

    /// Sends a short message, and says that it was the last, so that both arrive at the same moment: the message waits for
    /// the end, where the system can do that. Then as [`Self::last_exchange`].
    ///
    /// Errors: as there.
    pub fn last_exchange_at_once(&mut self, message: &[u8]) -> Result<()> {
        self.reply.is_owed(message);
        let taken = net::send(self.connection(), message, UNTIL_MORE).context("cannot send")?;
        if taken < message.len() {
            bail!("the server has not even room for {} bytes", message.len());
        }
        self.last_exchange(b"")
    }

    /// Sends one byte of urgent data.
    ///
    /// Errors: it can't be sent.
    pub fn say_urgently(&mut self, byte: u8) -> Result<()> {
        self.reply.is_owed(&[byte]);
        net::send(self.connection(), &[byte], SendFlags::OOB).context("cannot send urgent data")?;
        Ok(())
    }

    /// Sends `block` again and again, and never reads, until there is no room for a while, `most` bytes are sent, or it is too
    /// late. Returns how many were, also if the connection breaks.
    ///
    /// Errors: the wait itself fails.
    pub fn fill(&mut self, block: &[u8], most: usize, until: Instant) -> Result<Filled> {
        let mut sent = 0;
        while sent < most {
            if Instant::now() >= until {
                return Ok(Filled { bytes: sent, is_cut_short: true });
            }
            match wait(self.connection(), Interest::OUT, None, Some(Instant::now() + QUIET))? {
                Wake::Ready(_) => {
                    let mut unsent = &block[sent % block.len()..];
                    let before = unsent;
                    if self.send_some(&mut unsent).is_err() {
                        break;
                    }
                    let taken = &before[..before.len() - unsent.len()];
                    self.reply.is_owed(taken);
                    sent += taken.len();
                }
                _ => break,
            }
        }
        Ok(Filled { bytes: sent, is_cut_short: false })
    }

    /// Waits until there is something to receive, and leaves it there.
    ///
    /// Errors: nothing comes.
    pub fn wait_for_reply(&self) -> Result<()> {
        match wait(self.connection(), Interest::IN, None, Some(self.deadline))? {
            Wake::Ready(_) => Ok(()),
            _ => bail!("nothing had come back when {} were over", self.server.patience()),
        }
    }

    /// Waits a little, and nothing may come.
    ///
    /// Errors: something does, or the end.
    pub fn hear_nothing(&mut self) -> Result<()> {
        let Wake::Ready(_) = wait(self.connection(), Interest::IN, None, Some(Instant::now() + QUIET))? else {
            return Ok(());
        };
        let goes_on = self.hear()?;
        bail!("after the reply there came {}", if goes_on { "more" } else { "the end of the conversation" })
    }

    /// Whether anything has come back at all, right or wrong.
    pub fn has_heard(&self) -> bool {
        self.reply.has_begun()
    }

    /// Leaves as a server may expect it: says so, and receives what is still to come.
    pub fn leave(self) {
        drop(self);
    }

    /// Leaves without a word: `close`, whatever there is to receive.
    pub fn vanish(mut self) {
        if let Some(connection) = self.connection.take() {
            close(connection);
        }
    }

    fn converse(&mut self, message: &[u8], is_last: bool) -> Result<()> {
        self.reply.is_owed(message);
        let (mut unsent, mut said_all) = (message, false);
        loop {
            if unsent.is_empty() && is_last && !said_all {
                self.has_said_all()?;
                said_all = true;
            }
            if unsent.is_empty() && !is_last && self.reply.is_complete() {
                return Ok(());
            }
            let interest = if unsent.is_empty() { Interest::IN } else { Interest::IN | Interest::OUT };
            let Wake::Ready(ready) = wait(self.connection(), interest, None, Some(self.deadline))? else {
                self.reply.judge()?;
                let missing = if self.reply.is_complete() { ", but not the end," } else { "" };
                bail!("{}{missing} when {} were over", self.reply.so_far(), self.server.patience());
            };
            if ready.contains(Interest::OUT) && !unsent.is_empty() {
                self.send_some(&mut unsent)?;
            }
            if ready != Interest::OUT {
                match self.hear()? {
                    true => {}
                    false if said_all => return self.reply.judge_finally(),
                    false => bail!("the server has ended the conversation: {}", self.reply.so_far()),
                }
            }
        }
    }

    fn send_some(&mut self, unsent: &mut &[u8]) -> Result<()> {
        match send(self.connection(), unsent) {
            Ok(taken) => *unsent = &unsent[taken..],
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno).with_context(|| self.reply.so_far_and_then("cannot send")),
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<bool> {
        let connection = self.connection.as_ref().expect("a client has its connection until it leaves");
        self.reply.receive(connection)
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if !self.reply.has_ended() && !hear_out(&connection, self.server.leaving_time()) {
            self.server.does_not_hang_up();
        }
        close(connection);
    }
}

/// Says that the client is done, and receives and ignores the rest. False: it did not end in time.
pub fn hear_out(connection: &OwnedFd, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    if shutdown(connection, Shutdown::Write).is_err() {
        return true;
    }
    let mut ignored = vec![0; BUFFER_BYTES];
    loop {
        match recv(connection, &mut ignored) {
            Ok(0) => return true,
            Ok(_) | Err(Errno::INTR) if Instant::now() < deadline => {}
            Err(Errno::AGAIN) => {
                if !matches!(wait(connection, Interest::IN, None, Some(deadline)), Ok(Wake::Ready(_))) {
                    return false;
                }
            }
            Ok(_) | Err(Errno::INTR) => return false,
            Err(_) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::check::Verdict;

    #[test]
    fn a_server_that_still_takes_more_is_not_said_to_make_its_clients_wait() {
        let filled = |is_cut_short| Filled { bytes: 4096, is_cut_short };
        assert_eq!(filled(false).in_time().ok(), Some(4096));
        let Verdict::Skipped(why) = Verdict::from(filled(true).in_time().map(drop)) else { panic!("not skipped") };
        assert!(why.starts_with("the server still took more, 4096 bytes so far, "), "{why}");
    }
}
