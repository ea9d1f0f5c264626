//! What a server has sent back on one connection, next to what it was sent.

use anyhow::{Context, Result, anyhow};
use common::Errno;
use common::berkeley::{OwnedFd, recv};
use common::prefix::{Check, Wrong};

use super::manner::Manner;
use crate::BUFFER_BYTES;

/// Checking moves what is still to come back. So a long reply is checked when at least this part of that has come.
const PART: usize = 8;
/// How much of a reply to show.
const EXCERPT_BYTES: usize = 48;

/// The reply so far.
pub struct Reply<'a> {
    manner: &'a Manner,
    check: Check,
    last_said: Option<u8>,
    /// What has arrived and is not checked yet.
    heard: Vec<u8>,
    last_heard: Option<u8>,
    beginning: Vec<u8>,
    /// How much of the server's greeting is still to come.
    greeting: &'a [u8],
    /// There is nothing more to receive.
    has_ended: bool,
}

impl<'a> Reply<'a> {
    /// Nothing said, nothing heard.
    pub fn new(manner: &'a Manner) -> Reply<'a> {
        Reply {
            manner,
            check: Check::new(&manner.prefix),
            last_said: None,
            heard: Vec::new(),
            last_heard: None,
            beginning: Vec::new(),
            greeting: &manner.greeting,
            has_ended: false,
        }
    }

    /// This is sent, or about to be.
    pub fn is_owed(&mut self, message: &[u8]) {
        self.check.sent(message);
        self.last_said = message.last().copied().or(self.last_said);
    }

    /// Receives once, and looks at what has come. False: that was the end.
    ///
    /// Errors: the connection is broken; or the reply is wrong.
    pub fn receive(&mut self, connection: &OwnedFd) -> Result<bool> {
        let before = self.heard.len();
        self.heard.resize(before + BUFFER_BYTES, 0);
        let result = recv(connection, &mut self.heard[before..]);
        self.heard.truncate(before + result.unwrap_or(0));
        self.has_ended = !matches!(result, Ok(1..) | Err(Errno::AGAIN | Errno::INTR));
        self.pass_over_greeting(before);
        self.last_heard = self.heard.last().copied().or(self.last_heard);
        let (new, wanted) = (&self.heard[before..], EXCERPT_BYTES - self.beginning.len());
        self.beginning.extend_from_slice(&new[..new.len().min(wanted)]);
        if self.has_ended || self.heard.len() >= self.check.owed_bytes() / PART {
            self.judge()?;
        }
        match result {
            Err(errno) if self.has_ended => Err(errno).with_context(|| self.so_far_and_then("cannot receive")),
            _ => Ok(!self.has_ended),
        }
    }

    fn pass_over_greeting(&mut self, from: usize) {
        let length = self.greeting.len().min(self.heard.len() - from);
        if self.heard[from..from + length] == self.greeting[..length] {
            self.heard.drain(from..from + length);
            self.greeting = &self.greeting[length..];
        }
    }

    /// Checks what has come.
    ///
    /// Errors: it can't be what was sent.
    pub fn judge(&mut self) -> Result<()> {
        let result = self.check.received(&self.heard);
        self.heard.clear();
        result.map_err(|wrong| self.is_wrong(wrong))
    }

    /// Nothing more will come.
    ///
    /// Errors: it is not all that was sent.
    pub fn judge_finally(&mut self) -> Result<()> {
        let check = std::mem::replace(&mut self.check, Check::new(&self.manner.prefix));
        check.finish().map_err(|wrong| self.is_wrong(wrong))
    }

    fn is_wrong(&self, wrong: Wrong) -> anyhow::Error {
        match wrong {
            Wrong::Differs(at) if at < EXCERPT_BYTES as u64 / 2 => {
                anyhow!("the reply is wrong: {wrong}; it begins {}", self.beginning())
            }
            _ => anyhow!("the reply is wrong: {wrong}"),
        }
    }

    /// Whether the last byte is back. Our messages end with a byte that the prefix does not have: so it isn't one of that.
    pub fn is_complete(&self) -> bool {
        self.heard.is_empty() && self.check.owed_bytes() == 0 && self.last_heard == self.last_said
    }

    /// Whether anything has come back at all, right or wrong.
    pub fn has_begun(&self) -> bool {
        !self.beginning.is_empty()
    }

    /// Whether there is nothing more to receive.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// How it begins, for people.
    pub fn beginning(&self) -> String {
        excerpt(&self.beginning)
    }

    /// How much has come back, for people.
    pub fn so_far(&self) -> String {
        let (sent, owed) = (self.check.sent_bytes(), self.check.owed_bytes() as u64);
        if owed == 0 && !self.is_complete() {
            // The last few may be the beginning of a prefix.
            return format!("not all of {sent} bytes had come back");
        }
        format!("{} of {sent} bytes had come back", sent - owed)
    }

    /// How much has come back before this happened.
    pub fn so_far_and_then(&self, what: &str) -> String {
        format!("{}, then: {what}", self.so_far())
    }
}

/// The first bytes of a reply, so that they can be printed.
pub fn excerpt(reply: &[u8]) -> String {
    let shown = &reply[..reply.len().min(EXCERPT_BYTES)];
    format!("\"{}\"{}", shown.escape_ascii(), if shown.len() < reply.len() { "..." } else { "" })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    fn manner(prefix: &str, greeting: &str) -> Manner {
        let (prefix, greeting) = (prefix.parse().unwrap(), greeting.as_bytes().to_vec());
        Manner { prefix, greeting, at_once: true, is_exact: true, is_told: false }
    }

    /// What becomes of the reply to `sent` when these pieces arrive, and then the end.
    fn verdict(manner: &Manner, sent: &str, pieces: &[&str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = OwnedFd::from(listener.accept().unwrap().0);
        let mut reply = Reply::new(manner);
        reply.is_owed(sent.as_bytes());
        for piece in pieces {
            server.write_all(piece.as_bytes()).unwrap();
            match reply.receive(&client) {
                Ok(goes_on) => assert!(goes_on),
                Err(error) => return error.to_string(),
            }
        }
        let is_complete = reply.is_complete();
        server.shutdown(Shutdown::Write).unwrap();
        assert!(!reply.receive(&client).unwrap());
        let seen = reply.so_far();
        match reply.judge_finally() {
            Ok(()) if is_complete => "right".to_owned(),
            Ok(()) => panic!("right, but not complete"),
            Err(error) => format!("{seen}; {error}"),
        }
    }

    #[test]
    fn a_reply_is_right_in_whatever_pieces_it_comes() {
        let manner = manner("> ", "");
        for pieces in [&["> word\n"][..], &["> ", "word\n"], &[">", " wo", "> rd", "\n"], &["word", "> \n"]] {
            assert_eq!(verdict(&manner, "word\n", pieces), "right", "{pieces:?}");
        }
    }

    #[test]
    fn a_prefix_alone_is_not_yet_a_reply() {
        assert!(verdict(&manner("> ", ""), "w", &[">"]).starts_with("not all of 1 bytes had come back; "));
        let short = "the reply is wrong: it ended early: 3 of 5 bytes came back";
        assert_eq!(verdict(&manner("", ""), "word\n", &["wor"]), format!("3 of 5 bytes had come back; {short}"));
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_begins() {
        let wrong = "the reply is wrong: it differs from what was sent, from byte 1 on; it begins \"wurd\\n\"";
        assert_eq!(verdict(&manner("", ""), "word\n", &["wurd\n"]), wrong);
    }

    #[test]
    fn a_greeting_is_passed_over_once() {
        let manner = manner("", "hello\n");
        for pieces in [&["hello\nword\n"][..], &["hel", "lo\nwo", "rd\n"], &["word\n"]] {
            assert_eq!(verdict(&manner, "word\n", pieces), "right", "{pieces:?}");
        }
        assert!(verdict(&manner, "word\n", &["hello\nhello\nword\n"]).contains("from byte 0 on"));
    }
}
