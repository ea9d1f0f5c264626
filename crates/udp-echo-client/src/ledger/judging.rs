//! Which probe a datagram answers, and how well.

use std::hash::BuildHasher;

use common::stats::{Fate, Request, Trouble};

use super::Ledger;

/// So many bits of a number tell a probe from any other that is remembered: three bytes.
const TELLING_BITS: u32 = 21;
/// Of so many damaged replies that don't say which probe they answer, a second copy is recognised.
const MOST_RIDDLES: usize = 65_536;

/// What a datagram turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The right reply: in time, or late.
    Answer { late: bool, out_of_order: bool },
    /// One more reply to what has its fate already.
    Duplicate,
    /// As long as a reply, or longer, but not what was sent.
    Corrupt,
    /// The beginning of a reply: so many bytes of what was sent.
    Truncated(usize),
    /// A right reply, but to another flow's probe, or to one of long ago; or what is no reply at all.
    Stray,
}

/// A datagram, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub kind: Kind,
    /// The probe that it answers, if that can be told.
    pub request: Option<Request>,
    /// It was waited for, and no longer is.
    pub frees: bool,
}

impl Ledger {
    /// Judges a datagram that came from where the flow's probes go to.
    #[inline]
    pub fn judge(&mut self, datagram: &[u8], flow: usize, now_ns: u64) -> Arrival {
        self.heard_ns = Some(now_ns);
        let payload = datagram.strip_prefix(self.prefix.as_bytes()).unwrap_or(datagram);
        let (index, payload, is_behind_another_prefix) = match self.find(payload) {
            Some(index) => (index, payload, false),
            None => match self.find_behind_another_prefix(datagram) {
                Some((index, payload)) => (index, payload, true),
                None => return self.judge_a_riddle(datagram, payload),
            },
        };
        let entry = self.entries[index];
        self.longest_ns = self.longest_ns.max(now_ns.saturating_sub(entry.request.sent_ns));
        let (request, expected) = (entry.request, self.pattern.of(&entry.request));
        let is_echo = payload == expected;
        let is_right = is_echo && !is_behind_another_prefix;
        let is_cut = !is_echo && expected.starts_with(payload);
        if entry.flow as usize != flow {
            self.tally.account.strays += 1;
            return Arrival { kind: Kind::Stray, request: Some(request), frees: false };
        }
        if entry.has_fate {
            self.tally.account.duplicates += u64::from(entry.counts);
            return Arrival { kind: Kind::Duplicate, request: Some(request), frees: false };
        }
        self.other_prefixes += u64::from(is_echo && is_behind_another_prefix);
        self.entries[index].has_fate = true;
        let highest = &mut self.highest[flow];
        let out_of_order = request.sequence < *highest;
        *highest = (*highest).max(request.sequence + 1);
        self.tally.account.out_of_order += u64::from(out_of_order && entry.counts);
        let kind = if is_right {
            let is_late = now_ns.saturating_sub(request.sent_ns) > self.timeout_ns;
            if is_late && request.sequence >= self.watched {
                // It came before anybody had noticed.
                self.tally.errors.count(Trouble::Timeout);
            }
            let fate = match entry.counts {
                true => self.tally.answered(&request, now_ns, self.timeout_ns),
                false => Fate::Received,
            };
            Kind::Answer { late: fate == Fate::Late, out_of_order }
        } else {
            let (kind, fate) =
                if is_cut { (Kind::Truncated(payload.len()), Fate::Truncated) } else { (Kind::Corrupt, Fate::Corrupt) };
            if entry.counts {
                self.tally.account.settle(fate);
            }
            self.blame(&request, Trouble::Corrupt);
            kind
        };
        Arrival { kind, request: Some(request), frees: self.is_answered(&request) }
    }

    /// A datagram that doesn't say which probe it is about, because that part of it is missing or damaged. In the end, it
    /// takes the place of one that would be lost.
    fn judge_a_riddle(&mut self, datagram: &[u8], payload: &[u8]) -> Arrival {
        let is_in_the_prefix = self.prefix.as_bytes().starts_with(datagram);
        if !is_in_the_prefix && (self.is_forgotten(payload) || !self.pattern.resembles(payload)) {
            self.tally.account.strays += 1;
            return Arrival { kind: Kind::Stray, request: None, frees: false };
        }
        let kind = if is_in_the_prefix || payload.len() < self.pattern.size() {
            self.truncated += 1;
            Kind::Truncated(if is_in_the_prefix { 0 } else { payload.len() })
        } else if self.riddles.len() < MOST_RIDDLES && !self.riddles.insert(self.hasher.hash_one(datagram)) {
            self.tally.account.duplicates += 1;
            return Arrival { kind: Kind::Duplicate, request: None, frees: false };
        } else {
            self.corrupt += 1;
            Kind::Corrupt
        };
        self.riddles_met += 1;
        Arrival { kind, request: None, frees: false }
    }

    /// Judges a datagram that came from somebody else: the probe that it would answer, if it had come from the server.
    pub fn judge_strangers(&mut self, datagram: &[u8]) -> Option<Request> {
        let payload = datagram.strip_prefix(self.prefix.as_bytes()).unwrap_or(datagram);
        let request = self.find(payload).map(|index| self.entries[index].request);
        match request {
            Some(_) => self.tally.account.wrong_source += 1,
            None => self.tally.account.strays += 1,
        }
        request
    }

    /// Where the probe stands that these bytes are of, or begin. If one of number, time and nonce is not what that probe had,
    /// it is damaged, as long as the two others agree.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let by_number = self.find_by_number(bytes);
        if let Some(index) = by_number
            && self.pattern.compare(bytes, &self.entries[index].request).wrong == 0
        {
            return Some(index);
        }
        [by_number, self.find_by_time(bytes)].into_iter().flatten().find(|&index| {
            let agreement = self.pattern.compare(bytes, &self.entries[index].request);
            agreement.right >= 2 && agreement.wrong <= 1
        })
    }

    /// The same, behind any other text than the prefix.
    fn find_behind_another_prefix<'a>(&mut self, datagram: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let payload = &datagram[datagram.len().checked_sub(self.pattern.size())?..];
        if payload.len() == datagram.len() { None } else { self.find(payload).map(|index| (index, payload)) }
    }

    fn find_by_number(&self, bytes: &[u8]) -> Option<usize> {
        let newest = self.first + (self.entries.len() as u64).checked_sub(1)?;
        let (number, bits) = self.pattern.sequence(bytes)?;
        if bits < TELLING_BITS && bytes.len() < self.pattern.size() {
            return None;
        }
        // The last one with these bits: with seven of them, of one byte, it is one of the last 128.
        let back = newest.wrapping_sub(number) & ((1 << bits) - 1);
        let index = usize::try_from(newest.checked_sub(back)?.checked_sub(self.first)?).ok()?;
        (index < self.entries.len()).then_some(index)
    }

    /// No two are sent at the same time, and none before the last.
    fn find_by_time(&self, bytes: &[u8]) -> Option<usize> {
        let sent_ns = self.pattern.sent_ns(bytes)?;
        self.entries.binary_search_by_key(&sent_ns, |entry| entry.request.sent_ns).ok()
    }

    /// Whether this is a whole reply to a probe that is no longer remembered.
    fn is_forgotten(&mut self, payload: &[u8]) -> bool {
        let Some((sequence, bits)) = self.pattern.sequence(payload) else { return false };
        let sent_ns = self.pattern.sent_ns(payload).unwrap_or_default();
        payload.len() == self.pattern.size()
            && bits >= TELLING_BITS
            && sequence < self.first
            && self.pattern.compare(payload, &Request { sequence, due_ns: 0, sent_ns }).wrong == 0
    }
}
