//! How a server answers: with a prefix or without, with a greeting, at once or at the end.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use common::berkeley::{OwnedFd, Shutdown, recv, send, shutdown};
use common::prefix::{Check, Prefix};
use common::stats::report;
use common::wait::{Interest, Wake, wait};
use common::{Errno, exit};

use super::client::hear_out;
use super::reply::excerpt;
use crate::BUFFER_BYTES;

/// What a server that never stops may send before it is taken for something else.
const MOST_BYTES: usize = 64 * 1024;

/// How a server answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Manner {
    /// What it puts before each piece; nothing, as a rule.
    pub prefix: Prefix,
    /// What it says before a client has said anything.
    pub greeting: Vec<u8>,
    /// It answers what it has; otherwise it waits for the client's last word.
    pub at_once: bool,
    /// What comes back is what was sent, with the prefix.
    pub is_exact: bool,
    /// The prefix is the user's word.
    pub is_told: bool,
}

impl Manner {
    /// For tools.
    pub fn told(&self) -> report::Manner {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (prefix, greeting) = (text(self.prefix.as_bytes()), text(&self.greeting));
        report::Manner { prefix, greeting, at_once: self.at_once }
    }
}

/// The comment lines that TAP begins with.
impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |bytes: &[u8]| format!("{:?}", String::from_utf8_lossy(bytes));
        match self.prefix.as_bytes() {
            b"" if self.is_told => write!(f, "no prefix, as told: a plain echo (RFC 862)")?,
            b"" => write!(f, "no prefix: a plain echo (RFC 862)")?,
            prefix if self.is_told => write!(f, "prefix: {}, as told", quoted(prefix))?,
            prefix => write!(f, "prefix: {} before each piece", quoted(prefix))?,
        }
        if !self.greeting.is_empty() {
            write!(f, "\ngreeting: {}, which is passed over", quoted(&self.greeting))?;
        }
        if !self.at_once {
            write!(f, "\nno reply before the client has said its last word")?;
        }
        Ok(())
    }
}

/// Finds out by sending two lines that nobody can have expected. Each comes back as it is, or behind something: that is the
/// prefix. What comes before the first one only is a greeting.
///
/// Errors: neither comes back, not even after the client has said that it is done; or what comes before them changes, or is
/// another than what the user has told.
pub fn of(connection: &OwnedFd, told: Option<Prefix>, timeout: Duration) -> Result<Manner> {
    let finds = |reply: &[u8], line: &[u8]| {
        let as_told = told.iter().find(|told| reply.starts_with(told.as_bytes()) && is_answer(told, reply, line));
        as_told.cloned().or_else(|| prefix_of(reply, line))
    };
    let mut talk = Talk { connection, deadline: Instant::now() + timeout };
    let line = unexpected_line();
    let (mut reply, mut first) = talk.ask(&line, &finds)?;
    let is_exact = first.is_some();
    let mut at_once = is_exact;
    if !at_once {
        // Is it only the newline that's missing?
        first = finds(&reply, line.trim_ascii_end());
        at_once = first.is_some();
    }
    if !at_once && shutdown(connection, Shutdown::Write).is_ok() {
        talk.deadline = Instant::now() + timeout;
        first = talk.hear(&line, &mut reply, &finds)?;
    }
    let is_exact = is_exact || (!at_once && first.is_some());
    let Some(mut prefix) = first else {
        let was_sent = excerpt(&line);
        match reply.as_slice() {
            b"" => bail!("it was sent {was_sent}, and sends nothing back"),
            reply => bail!("it was sent {was_sent}, and sends {}", excerpt(reply)),
        }
    };
    let mut greeting = Vec::new();
    if at_once && told.as_ref() != Some(&prefix) {
        let line = unexpected_line();
        if let (_, Some(second)) = talk.ask(&line, &finds)? {
            match prefix.as_bytes().strip_suffix(second.as_bytes()) {
                Some(before) => greeting = before.to_vec(),
                None => bail!("first it put \"{prefix}\" before its reply, and then \"{second}\""),
            }
            prefix = second;
        }
    }
    hear_out(connection, timeout);
    match &told {
        Some(told) if *told != prefix => Err(another_prefix(&prefix, told)),
        _ => Ok(Manner { prefix, greeting, at_once, is_exact, is_told: told.is_some() }),
    }
}

fn another_prefix(prefix: &Prefix, told: &Prefix) -> Error {
    let what = match prefix.as_bytes() {
        b"" => format!("it puts nothing before its reply, and not \"{told}\""),
        _ => format!("it puts \"{prefix}\" before its reply, and not \"{told}\""),
    };
    exit::hinted(what + " as --prefix says", "leave --prefix out, and it is found out")
}

/// The prefix with which `reply` is the right reply to `line`, or None if there is no such.
fn prefix_of(reply: &[u8], line: &[u8]) -> Option<Prefix> {
    let prefixes = (0..reply.len()).filter(|&end| Some(&reply[end]) == line.first());
    prefixes.map_while(|end| Prefix::new(&reply[..end])).find(|prefix| is_answer(prefix, reply, line))
}

fn is_answer(prefix: &Prefix, reply: &[u8], line: &[u8]) -> bool {
    let mut check = Check::new(prefix);
    check.sent(line);
    check.received(reply).and_then(|()| check.finish()).is_ok()
}

fn unexpected_line() -> Vec<u8> {
    format!("check {:016x}\n", RandomState::new().hash_one(())).into_bytes()
}

/// A first talk with somebody whose manner isn't known yet.
struct Talk<'a> {
    connection: &'a OwnedFd,
    deadline: Instant,
}

impl Talk<'_> {
    /// Sends a line, and returns the reply and what `finds` made of it.
    fn ask<T>(&self, line: &[u8], finds: &impl Fn(&[u8], &[u8]) -> Option<T>) -> Result<(Vec<u8>, Option<T>)> {
        // There is room for a line where next to nothing has been sent; and if the connection is broken, hear() finds it so.
        let mut reply = Vec::new();
        let _ = send(self.connection, line);
        let found = self.hear(line, &mut reply, finds)?;
        Ok((reply, found))
    }

    /// Receives until `finds` has found something in the reply, or nothing comes any more.
    fn hear<T>(
        &self,
        line: &[u8],
        reply: &mut Vec<u8>,
        finds: &impl Fn(&[u8], &[u8]) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut piece = vec![0; BUFFER_BYTES];
        while let Wake::Ready(_) = wait(self.connection, Interest::IN, None, Some(self.deadline))? {
            match recv(self.connection, &mut piece) {
                Ok(0) | Err(Errno::CONNRESET) => break,
                Ok(length) => reply.extend_from_slice(&piece[..length]),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if let Some(found) = finds(reply, line) {
                return Ok(Some(found));
            }
            if reply.len() > MOST_BYTES {
                break;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"check 0123\n";

    fn found(reply: &str) -> Option<String> {
        prefix_of(reply.as_bytes(), LINE).map(|prefix| prefix.to_string())
    }

    #[test]
    fn the_prefix_is_what_comes_before() {
        assert_eq!(found("check 0123\n").as_deref(), Some(""));
        assert_eq!(found("echo -> check 0123\n").as_deref(), Some("echo -> "));
        assert_eq!(found("You said: check 0123\n").as_deref(), Some("You said: "));
        assert_eq!(found("check: check 0123\n").as_deref(), Some("check: "));
    }

    #[test]
    fn the_prefix_of_a_server_that_takes_small_bites_is_found_too() {
        assert_eq!(found("echo -> chececho -> k 01echo -> 23\n").as_deref(), Some("echo -> "));
        let bytes: String = LINE.iter().map(|byte| format!("> {}", *byte as char)).collect();
        assert_eq!(found(&bytes).as_deref(), Some("> "));
    }

    #[test]
    fn what_is_not_complete_or_not_an_echo_has_none() {
        for reply in ["", "echo -> ", "echo -> check 01", "check 0123", "CHECK 0123\n", "check 0123\n!"] {
            assert_eq!(found(reply), None, "{reply:?}");
        }
        assert_eq!(found(&("x".repeat(Prefix::MOST_BYTES + 1) + "check 0123\n")), None);
    }

    #[test]
    fn a_manner_is_told_in_comments() {
        let manner = |prefix: &str, greeting: &str, at_once, is_told| {
            let (prefix, greeting) = (prefix.parse().unwrap(), greeting.as_bytes().to_vec());
            Manner { prefix, greeting, at_once, is_exact: true, is_told }.to_string()
        };
        assert_eq!(manner("echo -> ", "", true, false), "prefix: \"echo -> \" before each piece");
        assert_eq!(manner("", "", true, false), "no prefix: a plain echo (RFC 862)");
        assert_eq!(manner(">", "", true, true), "prefix: \">\", as told");
        assert_eq!(
            manner("", "hi\n", false, false),
            "no prefix: a plain echo (RFC 862)\ngreeting: \"hi\\n\", which is passed over\n\
             no reply before the client has said its last word"
        );
    }
}
