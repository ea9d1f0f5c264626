//! Checking the reply of a stream while it arrives.
//!
//! A server puts the prefix before every piece that a `recv` gives it, and where the pieces of a stream begin is up to the
//! network. So a client can't know where in the reply the prefix stands, only that without it the reply is what was sent.
//! Where the payload itself contains the prefix's text there may be several ways to read a reply: it is right if one of
//! them is.

use std::fmt;

use memchr::memmem::Finder;

use super::Prefix;

/// What is wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not what was sent, from this byte of the payload on.
    Differs(u64),
    /// It ended early: so many bytes of the payload came back, of so many.
    Short(u64, u64),
    /// It has so many ways to be read that none can be followed to its end.
    Ambiguous,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Differs(at) => write!(f, "it differs from what was sent, from byte {at} on"),
            Wrong::Short(back, sent) => write!(f, "it ended early: {back} of {sent} bytes came back"),
            Wrong::Ambiguous => write!(f, "what was sent repeats the prefix so often that it can't be checked"),
        }
    }
}

impl std::error::Error for Wrong {}

/// Checks the reply of a stream while it arrives. Remembers only what was sent and hasn't come back yet.
pub struct Check {
    prefix: Finder<'static>,
    /// After how many bytes of a prefix the next one may begin: 8 for `echo -> `, but 1 for `aaa` and 2 for `aba`.
    period: usize,
    /// What was sent, from byte `payload_from` of the payload on.
    payload: Vec<u8>,
    payload_from: u64,
    /// The end of what has arrived, from byte `reply_from` of the reply on: too short to tell yet if a prefix begins in it.
    reply: Vec<u8>,
    reply_from: u64,
    /// None are left when there were too many to follow: then nothing is checked any more.
    readings: Vec<Reading>,
}

/// One way to read the reply: its first `reply` bytes are the first `payload` bytes of the payload, and prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reading {
    reply: u64,
    payload: u64,
    /// A prefix has just been read. No server sends one alone, so a byte of the payload must follow.
    after_prefix: bool,
}

impl Check {
    /// More ways to read a reply than this are not followed. Only a payload that is little but prefixes has as many.
    const MOST_READINGS: usize = 4096;

    /// Nothing sent, nothing received.
    pub fn new(prefix: &Prefix) -> Check {
        let text = prefix.as_bytes();
        Check {
            prefix: Finder::new(text).into_owned(),
            period: (1..text.len()).find(|&shift| text.starts_with(&text[shift..])).unwrap_or(text.len()),
            payload: Vec::new(),
            payload_from: 0,
            reply: Vec::new(),
            reply_from: 0,
            readings: vec![Reading { reply: 0, payload: 0, after_prefix: false }],
        }
    }

    /// These bytes are sent, or about to be.
    pub fn sent(&mut self, data: &[u8]) {
        if self.readings.is_empty() {
            self.payload_from += data.len() as u64;
        } else {
            self.payload.extend_from_slice(data);
        }
    }

    /// How many bytes have been sent.
    pub fn sent_bytes(&self) -> u64 {
        self.payload_from + self.payload.len() as u64
    }

    /// How many bytes have been sent and not come back yet; as far as can be told.
    pub fn owed_bytes(&self) -> usize {
        let back = self.readings.iter().map(|reading| reading.payload).max().unwrap_or(self.payload_from);
        (self.sent_bytes() - back).saturating_sub(self.reply.len() as u64) as usize
    }

    /// These bytes have arrived.
    ///
    /// Errors: they can't be what was sent.
    pub fn received(&mut self, data: &[u8]) -> Result<(), Wrong> {
        if self.readings.is_empty() {
            return Ok(());
        }
        self.reply.extend_from_slice(data);
        if !self.prefix.needle().is_empty() {
            let mut from = 0;
            while let Some(found) = self.prefix.find(&self.reply[from..]) {
                self.prefix_at(self.reply_from + (from + found) as u64)?;
                // Prefixes may overlap: "aa" stands twice in "aaa".
                from += found + 1;
                if self.readings.len() > Self::MOST_READINGS {
                    self.give_up();
                    return Ok(());
                }
            }
        }
        // Behind this point a prefix may begin whose end is still to come.
        let undecided = self.prefix.needle().len().saturating_sub(1);
        let decided = self.reply_from + self.reply.len().saturating_sub(undecided) as u64;
        self.advance(decided)?;
        self.forget(decided);
        Ok(())
    }

    /// Goes on without a verdict, and without memory of what is sent.
    fn give_up(&mut self) {
        self.payload_from = self.sent_bytes();
        self.payload = Vec::new();
        self.reply = Vec::new();
        self.readings = Vec::new();
    }

    /// The reply is at its end.
    ///
    /// Errors: it is not what was sent, or not all of it; or nobody can tell.
    pub fn finish(mut self) -> Result<(), Wrong> {
        if self.readings.is_empty() {
            return Err(Wrong::Ambiguous);
        }
        let end = self.reply_from + self.reply.len() as u64;
        let sent = self.sent_bytes();
        let cut = self.ends_in_a_prefix();
        self.advance(end).map_err(|wrong| cut.map_or(wrong, |back| Wrong::Short(back, sent)))?;
        let back = self.readings.iter().filter(|reading| !reading.after_prefix).map(|reading| reading.payload).max();
        match back {
            Some(back) if back == sent => Ok(()),
            back => Err(Wrong::Short(back.unwrap_or(self.payload_from), sent)),
        }
    }

    /// If the reply is right but ends in the middle of a prefix, how many bytes of the payload came back before that.
    fn ends_in_a_prefix(&self) -> Option<u64> {
        let backs = self.readings.iter().filter_map(|reading| {
            let came = &self.reply[(reading.reply - self.reply_from) as usize..];
            let rest = &self.payload[(reading.payload - self.payload_from) as usize..];
            let begins = |at: &usize| self.prefix.needle().starts_with(&came[*at..]) && rest.starts_with(&came[..*at]);
            // A byte of the payload is still to come: one prefix doesn't follow another, nor the last byte.
            let at = (usize::from(reading.after_prefix)..came.len()).find(begins)?;
            (at < rest.len()).then_some(reading.payload + at as u64)
        });
        backs.max()
    }

    /// The prefix's text stands at `start` of the reply: it is a prefix, or a part of the payload.
    fn prefix_at(&mut self, start: u64) -> Result<(), Wrong> {
        self.advance(start)?;
        let length = self.prefix.needle().len() as u64;
        for index in 0..self.readings.len() {
            let reading = self.readings[index];
            if reading.reply == start && !reading.after_prefix {
                let behind = Reading { reply: start + length, after_prefix: true, ..reading };
                // Only if the payload goes on like this too, up to where the next prefix may begin, is there a choice.
                if self.payload_is(reading.payload, &self.prefix.needle()[..self.period]) {
                    self.readings.push(behind);
                } else {
                    self.readings[index] = behind;
                }
            }
        }
        // Two ways may have led to the same place.
        self.readings.sort_unstable();
        self.readings.dedup();
        Ok(())
    }

    /// Reads on as payload, up to `end` of the reply, and drops the readings that this makes impossible.
    fn advance(&mut self, end: u64) -> Result<(), Wrong> {
        let mut furthest = self.payload_from;
        let (reply, reply_from) = (&self.reply, self.reply_from);
        let (payload, payload_from) = (&self.payload, self.payload_from);
        self.readings.retain_mut(|reading| {
            if reading.reply >= end {
                return true;
            }
            let came = &reply[(reading.reply - reply_from) as usize..(end - reply_from) as usize];
            let rest = &payload[(reading.payload - payload_from) as usize..];
            let right = rest.starts_with(came);
            if !right {
                let equal = came.iter().zip(rest).take_while(|(came, sent)| came == sent).count();
                furthest = furthest.max(reading.payload + equal as u64);
            }
            *reading = Reading { reply: end, payload: reading.payload + came.len() as u64, after_prefix: false };
            right
        });
        if self.readings.is_empty() { Err(Wrong::Differs(furthest)) } else { Ok(()) }
    }

    fn payload_is(&self, at: u64, text: &[u8]) -> bool {
        self.payload[(at - self.payload_from) as usize..].starts_with(text)
    }

    /// Drops what no reading needs any more.
    fn forget(&mut self, decided: u64) {
        self.reply.drain(..(decided - self.reply_from) as usize);
        self.reply_from = decided;
        let needed = self.readings.iter().map(|reading| reading.payload).min().unwrap_or(self.payload_from);
        let done = (needed - self.payload_from) as usize;
        // What is moved to the front is never more than what is dropped, so that each byte is moved once at most.
        if done >= self.payload.len() - done {
            self.payload.drain(..done);
            self.payload_from = needed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(prefix: &str, payload: &[u8], reply: &[u8], step: usize) -> Result<(), Wrong> {
        let mut check = Check::new(&prefix.parse().unwrap());
        check.sent(payload);
        for piece in reply.chunks(step) {
            check.received(piece)?;
        }
        check.finish()
    }

    /// A server's reply to the payload, received in pieces of these sizes.
    fn reply(prefix: &str, payload: &[u8], sizes: &[usize]) -> Vec<u8> {
        let (mut reply, mut rest, mut sizes) = (Vec::new(), payload, sizes.iter().cycle());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            reply.extend_from_slice(prefix.as_bytes());
            reply.extend_from_slice(piece);
            rest = later;
        }
        reply
    }

    #[test]
    fn the_lectures_reply_is_right_with_its_prefix_and_without() {
        for step in 1..20 {
            assert_eq!(check("echo -> ", b"Hello world", b"echo -> Hello world", step), Ok(()));
            assert_eq!(check("echo -> ", b"Hello world", b"Hello world", step), Ok(()));
            assert_eq!(check("echo -> ", b"Hello world", b"echo -> Helloecho ->  world", step), Ok(()));
            assert_eq!(check("", b"Hello world", b"Hello world", step), Ok(()));
            assert_eq!(check("echo -> ", b"", b"", step), Ok(()));
        }
    }

    #[test]
    fn a_wrong_reply_is_told_by_its_place() {
        for step in 1..20 {
            assert_eq!(check("echo -> ", b"Hello world", b"echo -> Hello wurld", step), Err(Wrong::Differs(7)));
            assert_eq!(check("", b"Hello", b"Hello!", step), Err(Wrong::Differs(5)));
            assert_eq!(check("echo -> ", b"Hello", b"echo -> Hell", step), Err(Wrong::Short(4, 5)));
            assert_eq!(check("echo -> ", b"Hello", b"", step), Err(Wrong::Short(0, 5)));
            assert_eq!(check("", b"Hello", b"echo -> Hello", step), Err(Wrong::Differs(0)));
        }
    }

    #[test]
    fn an_end_within_a_prefix_is_an_early_end_and_no_difference() {
        for step in 1..20 {
            assert_eq!(check("echo -> ", b"Hello", b"echo ", step), Err(Wrong::Short(0, 5)));
            assert_eq!(check("echo -> ", b"Hello", b"echo -> Heecho -", step), Err(Wrong::Short(2, 5)));
            assert_eq!(check("echo -> ", b"Hello", b"echo -> Helecho->", step), Err(Wrong::Differs(3)));
            assert_eq!(check("echo -> ", b"Hello", b"echo -> Helloecho", step), Err(Wrong::Differs(5)));
            assert_eq!(check("echo -> ", b"Hello", b"echo -> e", step), Err(Wrong::Differs(0)), "no two in a row");
        }
    }

    #[test]
    fn a_prefix_with_nothing_behind_it_is_wrong() {
        assert_eq!(check("x", b"ab", b"xaxb", 1), Ok(()));
        assert_ne!(check("x", b"ab", b"xxab", 1), Ok(()));
        assert_ne!(check("x", b"ab", b"xabx", 1), Ok(()));
    }

    #[test]
    fn what_has_come_back_is_forgotten() {
        let mut check = Check::new(&"echo -> ".parse().unwrap());
        for _ in 0..1000 {
            check.sent(&[7; 1000]);
            check.received(&reply("echo -> ", &[7; 1000], &[1000])).unwrap();
            assert!(check.owed_bytes() < 16 && check.reply.len() < 16 && check.readings.len() < 4);
            assert!(check.payload.len() <= 2000, "{}", check.payload.len());
        }
        assert_eq!(check.sent_bytes(), 1_000_000);
        assert_eq!(check.finish(), Ok(()));
    }

    #[test]
    fn a_payload_of_nothing_but_prefixes_is_no_longer_checked_but_goes_on() {
        let mut check = Check::new(&"ab".parse().unwrap());
        for _ in 0..100 {
            check.sent(&b"ab".repeat(1000));
            assert_eq!(check.received(&b"ab".repeat(1001)), Ok(()));
        }
        assert_eq!((check.sent_bytes(), check.owed_bytes(), check.payload.len()), (200_000, 0, 0));
        assert_eq!(check.finish(), Err(Wrong::Ambiguous));
    }

    /// By trying everything: whether the reply is the payload with prefixes in it, none of them alone.
    fn is_right(prefix: &[u8], payload: &[u8], reply: &[u8], may_begin: bool) -> bool {
        let Some((first, rest)) = reply.split_first() else { return payload.is_empty() && may_begin };
        let as_payload = payload.first() == Some(first) && is_right(prefix, &payload[1..], rest, true);
        let behind = reply.strip_prefix(prefix).filter(|_| may_begin && !prefix.is_empty());
        as_payload || behind.is_some_and(|behind| is_right(prefix, payload, behind, false))
    }

    proptest! {
        #[test]
        fn every_honest_reply_is_right(
            prefix in "[ab]{0,3}", payload in "[abc]{0,40}", sizes in prop::collection::vec(1usize..6, 1..9), step in 1usize..9,
        ) {
            let reply = reply(&prefix, payload.as_bytes(), &sizes);
            prop_assert_eq!(check(&prefix, payload.as_bytes(), &reply, step), Ok(()));
        }

        #[test]
        fn the_verdict_is_that_of_trying_everything(
            prefix in "[ab]{0,3}", payload in "[ab]{0,8}", reply in "[ab]{0,14}", step in 1usize..5,
        ) {
            let right = is_right(prefix.as_bytes(), payload.as_bytes(), reply.as_bytes(), true);
            prop_assert_eq!(check(&prefix, payload.as_bytes(), reply.as_bytes(), step).is_ok(), right);
        }
    }
}
