//! How a server answers: with a prefix, or without.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use common::address::Address;
use common::exit;
use common::prefix::Prefix;
use common::stats::report;

use super::client::{Client, excerpt};

/// How a server answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Manner {
    /// What it puts before a reply; nothing, as a rule.
    pub prefix: Prefix,
    /// The prefix is the user's word.
    pub is_told: bool,
    /// How long the way there and back has taken.
    pub round_trip: Duration,
}

impl Manner {
    /// For tools.
    pub fn told(&self) -> report::Manner {
        let prefix = String::from_utf8_lossy(self.prefix.as_bytes()).into_owned();
        report::Manner { prefix, greeting: String::new(), at_once: true }
    }
}

/// A comment line of TAP.
impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = if self.is_told { ", as told" } else { "" };
        match self.prefix.as_bytes() {
            b"" => write!(f, "no prefix{told}: a plain echo (RFC 862)"),
            prefix => write!(f, "prefix: {:?} before each reply{told}", String::from_utf8_lossy(prefix)),
        }
    }
}

/// Finds out by sending two lines that nobody can have expected. Each comes back as it is, or behind something: that is the
/// prefix.
///
/// Errors: one doesn't come back; or what comes before them changes, or is not what the user has told.
pub fn of(address: &Address, told: Option<Prefix>, timeout: Duration) -> Result<Manner> {
    let (first, round_trip) = ask(address, timeout)?;
    match told {
        Some(prefix) if prefix == first => Ok(Manner { prefix, is_told: true, round_trip }),
        Some(prefix) => {
            let what = format!("it puts {} before its reply, and not \"{prefix}\"", quoted(&first));
            Err(exit::hinted(what, "without --prefix it is found out"))
        }
        None => {
            let (second, other) = ask(address, timeout)?;
            if first != second {
                bail!("first it put {} before its reply, and then {}", quoted(&first), quoted(&second));
            }
            Ok(Manner { prefix: second, is_told: false, round_trip: round_trip.max(other) })
        }
    }
}

fn quoted(prefix: &Prefix) -> String {
    match prefix.as_bytes() {
        b"" => "nothing".to_owned(),
        _ => format!("\"{prefix}\""),
    }
}

/// What comes back before a line, and after how long.
fn ask(address: &Address, timeout: Duration) -> Result<(Prefix, Duration)> {
    let line = format!("check {:016x}\n", RandomState::new().hash_one(()));
    let line = line.as_bytes();
    let mut client = Client::open(address, timeout)?;
    let began = Instant::now();
    let Some(reply) = client.ask(line)? else {
        bail!("it was sent {}, and sends nothing back", excerpt(line));
    };
    match reply.strip_suffix(line).and_then(Prefix::new) {
        Some(prefix) => Ok((prefix, began.elapsed())),
        None => bail!("it was sent {}, and sends {}", excerpt(line), excerpt(&reply)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manner_is_told_in_a_comment() {
        let manner = |prefix: &str, is_told| {
            Manner { prefix: prefix.parse().unwrap(), is_told, round_trip: Duration::ZERO }.to_string()
        };
        assert_eq!(manner("echo -> ", false), "prefix: \"echo -> \" before each reply");
        assert_eq!(manner("", false), "no prefix: a plain echo (RFC 862)");
        assert_eq!(manner(">", true), "prefix: \">\" before each reply, as told");
    }
}
