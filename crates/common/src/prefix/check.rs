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
mod tests;
