//! What became of each probe: which one a datagram answers, and whether it is the right answer, a second one, a part of one.
//!
//! Nothing keeps the order of datagrams, and nothing keeps one from coming twice, late, or not at all. So a probe is
//! remembered until the end of the run, whatever has become of it: only so is a late reply not lost, a duplicate not another
//! reply, and what is overtaken not forgotten. The memory for that is bounded; see [`MOST_REMEMBERED`].

mod failing;
mod judging;

use std::collections::{HashSet, VecDeque};
use std::hash::RandomState;
use std::time::Duration;

use common::Errno;
use common::measure::{GRACE, ns};
use common::prefix::Prefix;
use common::screen::bytes;
use common::stats::{Fate, HEAD_BYTES, Pattern, Request, Tally, Trouble};

use crate::ask::ANOTHER_PREFIX;

pub use judging::{Arrival, Kind};

/// So many probes are remembered, the last ones: at a probe a second those of twelve days, in 32 MiB. What is older and still
/// without a reply is lost.
pub const MOST_REMEMBERED: usize = 1 << 20;
/// When every probe has its fate, a second reply to one of the last may still come: so long is listened at least, and for so
/// many of the longest round trips, but never for longer than the grace time.
const LEAST_LINGER: Duration = Duration::from_millis(50);
const LINGERED_ROUND_TRIPS: u64 = 2;

/// A probe that is waited for no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    pub request: Request,
    pub flow: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    request: Request,
    flow: u32,
    /// It is no warm-up.
    counts: bool,
    /// It was sent in one piece with the one before.
    follows: bool,
    has_fate: bool,
}

/// The account of a run, probe by probe.
pub struct Ledger {
    pattern: Pattern,
    prefix: Prefix,
    timeout_ns: u64,
    most: usize,
    pub tally: Tally,
    /// The probes that are remembered, by their numbers: the first is number `first`.
    entries: VecDeque<Entry>,
    first: u64,
    /// Probes before this one are waited for no longer.
    watched: u64,
    waiting: usize,
    /// When something came the last time, and the longest that a reply has taken.
    heard_ns: Option<u64>,
    longest_ns: u64,
    /// By flow: one more than the highest number that was answered.
    highest: Vec<u64>,
    /// Wrong replies whose probe can't be told: what is to be made of them in the end, and how many there were in all.
    corrupt: u64,
    truncated: u64,
    riddles_met: u64,
    /// What the damaged ones of them looked like.
    hasher: RandomState,
    riddles: HashSet<u64>,
    /// Right replies behind another text than the prefix.
    other_prefixes: u64,
    /// The largest packet on the way there, when a datagram was too large for it.
    mtu: u32,
}

impl Ledger {
    /// Nothing sent. What is right after more than `timeout_ns` is late.
    pub fn new(size: usize, prefix: Prefix, timeout_ns: u64, flows: usize, tally: Tally) -> Ledger {
        Ledger {
            pattern: Pattern::new(size, &prefix),
            prefix,
            timeout_ns,
            most: MOST_REMEMBERED,
            tally,
            // So that it need not be moved when it grows; the memory is taken only as it is used.
            entries: VecDeque::with_capacity(MOST_REMEMBERED),
            first: 0,
            watched: 0,
            waiting: 0,
            heard_ns: None,
            longest_ns: 0,
            highest: vec![0; flows],
            corrupt: 0,
            truncated: 0,
            riddles_met: 0,
            hasher: RandomState::new(),
            riddles: HashSet::new(),
            other_prefixes: 0,
            mtu: 0,
        }
    }

    /// The bytes of a probe.
    pub fn bytes(&mut self, request: &Request) -> &[u8] {
        self.pattern.of(request)
    }

    /// The bytes of a reply to it, with the prefix: none that is right is longer.
    pub fn longest_reply(&self) -> usize {
        self.pattern.size() + self.prefix.as_bytes().len()
    }

    /// How many probes are waited for.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The largest packet on the way there, if a datagram was too large for it; otherwise 0.
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// What the error queue says of that; 0: nothing.
    #[cfg(target_os = "linux")]
    pub fn learn_mtu(&mut self, mtu: u32) {
        self.mtu = if mtu > 0 { mtu } else { self.mtu };
    }

    /// All have their fate since `settled_ns`: until when to listen for one more reply to any of them. Where nothing came at
    /// all, nothing comes twice.
    pub fn linger_until_ns(&self, settled_ns: u64) -> u64 {
        let Some(heard_ns) = self.heard_ns else { return settled_ns };
        let quiet_ns = self.longest_ns.saturating_mul(LINGERED_ROUND_TRIPS).clamp(ns(LEAST_LINGER), ns(GRACE));
        (heard_ns.saturating_add(quiet_ns)).min(settled_ns.saturating_add(ns(GRACE)))
    }

    /// A probe is sent on a flow, or about to be: the one with the next number. It `counts`, or is a
    /// warm-up; it `follows` the one before if both leave in one piece, a train. Returns the one that is forgotten for it, if
    /// that was still waited for.
    pub fn send(&mut self, request: Request, flow: usize, counts: bool, follows: bool) -> Option<Overdue> {
        let forgotten = if self.entries.len() >= self.most { self.forget() } else { None };
        if self.entries.is_empty() {
            (self.first, self.watched) = (request.sequence, request.sequence);
        }
        self.entries.push_back(Entry { request, flow: flow as u32, counts, follows, has_fate: false });
        self.waiting += 1;
        if counts {
            self.tally.account.send();
        }
        forgotten
    }

    fn forget(&mut self) -> Option<Overdue> {
        let overdue = if self.watched == self.first { self.give_up_the_first() } else { None };
        let entry = self.entries.pop_front()?;
        self.first += 1;
        if entry.counts && !entry.has_fate {
            self.tally.account.settle(Fate::Lost);
        }
        overdue
    }

    /// This is what went wrong with a probe. If it was given up already, that was not all: nothing goes wrong twice with one.
    fn blame(&mut self, request: &Request, trouble: Trouble) {
        if request.sequence < self.watched {
            self.tally.errors.timeout -= 1;
        }
        self.tally.errors.count(trouble);
    }

    /// A probe has its fate now. True: it was still waited for.
    fn is_answered(&mut self, request: &Request) -> bool {
        let was_waited_for = request.sequence >= self.watched;
        self.waiting -= usize::from(was_waited_for);
        was_waited_for
    }

    /// When the next probe will be overdue, if none is answered until then.
    pub fn next_overdue_ns(&mut self) -> Option<u64> {
        while let Some(entry) = self.entry(self.watched) {
            if !entry.has_fate {
                return Some(entry.request.sent_ns.saturating_add(self.timeout_ns));
            }
            self.watched += 1;
        }
        None
    }

    /// The next probe that has waited for too long. A reply may still come, and is late then.
    pub fn overdue(&mut self, now_ns: u64) -> Option<Overdue> {
        self.next_overdue_ns().filter(|&overdue_ns| overdue_ns < now_ns)?;
        self.give_up_the_first()
    }

    /// The first probe that is waited for no longer is.
    fn give_up_the_first(&mut self) -> Option<Overdue> {
        let entry = *self.entry(self.watched)?;
        self.watched += 1;
        if entry.has_fate {
            return None;
        }
        self.waiting -= 1;
        self.tally.errors.count(Trouble::Timeout);
        Some(Overdue { request: entry.request, flow: entry.flow as usize })
    }

    /// The run is over: what has no fate yet is lost, unless something came that could be a reply to it.
    pub fn close(&mut self) {
        let open = std::mem::take(&mut self.entries).into_iter().filter(|entry| entry.counts && !entry.has_fate);
        for entry in open {
            let fate = match (&mut self.corrupt, &mut self.truncated) {
                (corrupt @ 1.., _) => {
                    *corrupt -= 1;
                    Fate::Corrupt
                }
                (_, truncated @ 1..) => {
                    *truncated -= 1;
                    Fate::Truncated
                }
                _ => Fate::Lost,
            };
            self.tally.account.settle(fate);
            if fate != Fate::Lost {
                self.blame(&entry.request, Trouble::Corrupt);
            }
        }
        self.tally.account.strays += std::mem::take(&mut self.corrupt) + std::mem::take(&mut self.truncated);
        self.waiting = 0;
        self.tally.doubt = self.doubt();
        self.tally.hint = match self.tally.causes.first() {
            Some((Errno::MSGSIZE, _)) => Some("choose a smaller --size, or leave out --df"),
            _ if self.tally.account.received == 0 && self.other_prefixes > 0 => Some(ANOTHER_PREFIX),
            _ => None,
        };
    }

    /// Where there was too little to tell whose a reply is, that was guessed.
    fn doubt(&self) -> Option<String> {
        let (account, size) = (&self.tally.account, self.pattern.size());
        let not_whole = account.corrupt + account.truncated + account.duplicates + account.strays;
        if size < HEAD_BYTES && not_whole > 0 {
            let bytes = bytes(size);
            return Some(format!(
                "the account may not be exact: only from --size {HEAD_BYTES} on, not with {bytes}, damage is always seen"
            ));
        }
        let (count, replies) = (self.riddles_met, if self.riddles_met == 1 { "reply" } else { "replies" });
        (count > 0).then(|| {
            format!(
                "the account may not be exact: in {count} {replies} too little was left to tell which request is meant"
            )
        })
    }

    fn entry(&mut self, sequence: u64) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }
}

/// How long the last replies have, after the last request: as long again as a reply may take, since late is not lost, and at
/// least as long as when the user wants no more.
pub fn patience_ns(timeout_ns: u64) -> u64 {
    timeout_ns.saturating_mul(2).max(ns(GRACE))
}

#[cfg(test)]
mod tests;
