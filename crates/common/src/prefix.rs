//! The text that a server puts before what it sends back, as the lecture's does, and taking it off again.
//!
//! A datagram has one prefix before it, or none. In a stream they may stand anywhere: `check.rs` finds them.

mod check;

use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

use clap::builder::{TypedValueParser, ValueParserFactory};
use clap::error::{Error, ErrorKind};
use clap::{Arg, Command};

pub use check::{Check, Wrong};

/// The text before each piece of a reply. Empty: a plain echo, as in RFC 862.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Vec<u8>);

impl Prefix {
    /// Longer ones would be no help to anybody.
    pub const MOST_BYTES: usize = 1024;
    /// The lecture's.
    pub const LECTURE: &str = "echo -> ";

    /// None: longer than [`Self::MOST_BYTES`].
    pub fn new(text: &[u8]) -> Option<Prefix> {
        (text.len() <= Self::MOST_BYTES).then(|| Prefix(text.to_vec()))
    }

    /// The prefix itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A buffer for `room` bytes to receive behind the prefix, so that both go out in one `send`.
    pub fn buffer(&self, room: usize) -> Vec<u8> {
        let mut buffer = vec![0; self.0.len() + room];
        buffer[..self.0.len()].copy_from_slice(&self.0);
        buffer
    }

    /// Whether a datagram `reply` answers the datagram `payload`, with the prefix or without.
    pub fn answers(&self, reply: &[u8], payload: &[u8]) -> bool {
        reply == payload || reply.strip_prefix(self.as_bytes()) == Some(payload)
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Prefix, String> {
        Prefix::new(text.as_bytes()).ok_or_else(|| format!("at most {} bytes", Prefix::MOST_BYTES))
    }
}

/// As the value of an option. What is too long is not shown again.
#[derive(Clone)]
pub struct PrefixParser;

impl ValueParserFactory for Prefix {
    type Parser = PrefixParser;

    fn value_parser() -> PrefixParser {
        PrefixParser
    }
}

impl TypedValueParser for PrefixParser {
    type Value = Prefix;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<Prefix, Error> {
        let text = value.to_str().ok_or_else(|| Error::new(ErrorKind::InvalidUtf8).with_cmd(command))?;
        text.parse().map_err(|why| {
            let option = option.map_or_else(String::new, |option| format!(" for '{option}'"));
            Error::raw(ErrorKind::ValueValidation, format!("invalid value of {} bytes{option}: {why}\n", text.len()))
                .with_cmd(command)
        })
    }
}

/// As text, for messages; what isn't printable ASCII is escaped.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}
