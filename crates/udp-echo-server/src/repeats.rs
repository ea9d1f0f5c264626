//! Recognising a loop: two servers that send each other the same thing for ever.
//!
//! One forged datagram, in the name of one server to another, is enough to start it, and there may be a thousand. What
//! gives them away is that what the source brings has been there before: the same datagram, or one that has grown,
//! because it comes back behind our prefix, behind what the other server puts there, or both; in capital letters
//! perhaps, as some servers answer.
//!
//! So each source has an account. What comes back costs it one, and when it has come to [`MOST_REPEATS`], nothing that
//! comes back is answered: each loop ends the next time that it passes here. Time pays off the debt, at the pace of a
//! patient person, and so does what is new, a little: an honest client sends something new as a rule, or waits before
//! it sends the same again. Hence the bound, however many loops there are: in so many seconds, a source gets
//! `MOST_REPEATS`, one a second, and 1.25 for each datagram that is new, which a forged one is once.
//!
//! What has been there before is told by hashes in one table for all, where a new one takes the place of another. It
//! has room for more than two servers have under way between each other, as a rule; and of more, a part is recognised
//! each time round, so these end as well. Nobody outside can tell which hashes share a row.
//!
//! Growth is told in two ways. We know our own prefix: what stands behind it, and begins as something did that the
//! source has sent, has come back. Without a prefix, `growth.rs` finds out what the other server adds. A payload that
//! grows by honest means is another matter: of one letter again and again, or with something else added each time, it
//! is never taken for a loop. Only who repeats the prefix itself, or adds the same letters each time, does what a loop
//! does, and is taken for one.

//!
//! A client that numbers its datagrams with one byte or two soon has to begin again. With a prefix of ours, a loop has
//! datagrams as short as that only if the other server cuts off nearly all, or always says the same. Then what comes back
//! is the same datagram from the second time on, however many loops there are. So of these, only the last few of a source
//! are remembered. Without a prefix, many short loops look just like such a client, and are taken for loops.

mod growth;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hash, Hasher};
use std::time::Instant;

use common::prefix::Prefix;
use foldhash::quality::RandomState;
use memchr::memmem::Finder;

use growth::{Grown, Growth};

/// So many repeats from one source are answered. Two servers exchange twice as many datagrams, well below a thousand.
const MOST_REPEATS: f64 = 100.0;
/// So many repeats a second are forgotten, and so many for each datagram that is new: a text may have lines that are
/// equal. A loop of which this part could not be recognised would still end.
const FORGOTTEN_PER_SECOND: f64 = 1.0;
const FORGOTTEN_PER_NEW: f64 = 0.25;
/// A source is looked for in one set only, and shares it with so many others.
const WAYS: usize = 4;
/// With the two above, about 100 KiB, whatever happens.
const SETS: usize = 256;
/// So many hashes are remembered in so many rows, two for each datagram: 512 KiB in all.
const ROW: usize = 4;
const ROWS: usize = 1 << 15;
/// By so many bytes, the beginning of a datagram is known again. Fewer may be the same by chance.
const TELLING_BYTES: usize = 8;
/// A number of so few bytes soon begins again.
const SHORT_BYTES: usize = 2;
/// Our prefix may stand by chance in what the other server puts before it; so many times it is looked at, and no further into
/// a datagram than this.
const PREFIXES_LOOKED_AT: usize = 8;
const HEAD_BYTES: usize = 2 * Prefix::MOST_BYTES;
/// So much of a datagram at a time is turned into small letters, to be hashed.
const PIECE_BYTES: usize = 512;

/// Who sent what lately.
pub struct Repeats {
    prefix: Finder<'static>,
    hasher: RandomState,
    seen: Seen,
    sources: Vec<[Source; WAYS]>,
    /// Room for the beginning of a datagram in small letters.
    head: Box<[u8; HEAD_BYTES]>,
}

/// The account of a source.
#[derive(Clone, Copy)]
struct Source {
    /// Its address, hashed: nobody outside can tell which others have the same.
    peer: Option<u64>,
    /// When it was last heard.
    heard: Instant,
    /// How often it has brought something back, less what is forgotten.
    repeats: f64,
    /// What it adds to a datagram, if we add nothing ourselves.
    growth: Growth,
}

impl Repeats {
    /// Nothing heard yet; each reply will begin with `prefix`.
    pub fn new(prefix: &[u8], now: Instant) -> Repeats {
        let nobody = Source { peer: None, heard: now, repeats: 0.0, growth: Growth::default() };
        let prefix = Finder::new(&prefix.to_ascii_lowercase()).into_owned();
        let seen = Seen { rows: vec![[0; ROW]; ROWS], chance: 0 };
        let (hasher, sources) = (RandomState::default(), vec![[nobody; WAYS]; SETS]);
        Repeats { prefix, hasher, seen, sources, head: Box::new([0; HEAD_BYTES]) }
    }

    /// Whether to answer this datagram: it isn't one repeat too many. In any case it is remembered.
    pub fn admits(&mut self, peer: &impl Hash, data: &[u8], now: Instant) -> bool {
        let keys = Keys { hasher: &self.hasher, peer: self.hasher.hash_one(peer) };
        let source = find(&mut self.sources[keys.peer as usize % SETS], keys.peer, now);
        let grew = if self.prefix.needle().is_empty() {
            let grew = match source.growth.without_it(data, keys) {
                Some(Grown::Before(rest)) => self.seen.has(keys.beginning(rest)),
                Some(Grown::Behind(rest)) => self.seen.has(keys.whole(rest)),
                None => false,
            };
            source.growth.learn(data, keys);
            grew
        } else {
            let head = &mut self.head[..data.len().min(HEAD_BYTES)];
            head.copy_from_slice(&data[..head.len()]);
            head.make_ascii_lowercase();
            let behind = |start: usize| &data[start + self.prefix.needle().len()..];
            let mut places = self.prefix.find_iter(head).take(PREFIXES_LOOKED_AT);
            places.any(|start| self.seen.has(keys.beginning(behind(start))))
        };
        let is_short = data.len() <= SHORT_BYTES && !self.prefix.needle().is_empty();
        let is_known = self.seen.add(if is_short { keys.short(data) } else { keys.whole(data) });
        self.seen.add(keys.beginning(data));
        if is_known || grew {
            let is_too_much = source.repeats >= MOST_REPEATS;
            source.repeats += if is_too_much { 0.0 } else { 1.0 };
            return !is_too_much;
        }
        source.repeats = (source.repeats - FORGOTTEN_PER_NEW).max(0.0);
        true
    }
}

/// The account of a peer. A new one takes over that of whom it displaces, debt and all (Metwally, Agrawal, El Abbadi:
/// "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005): that is the least in its set, as a
/// rule nothing, and of several equal ones that of the one who has been silent the longest. So neither do many others
/// that come and go hide a loop, nor do loops with more others than there is room for hide each other.
fn find(set: &mut [Source; WAYS], peer: u64, now: Instant) -> &mut Source {
    let place = set.iter().position(|source| source.peer == Some(peer)).unwrap_or_else(|| {
        let debt = |place: &usize| (set[*place].peer.is_some(), set[*place].repeats_at(now), set[*place].heard);
        let least = (0..WAYS).min_by(|a, b| debt(a).partial_cmp(&debt(b)).expect("no repeats are NaN"));
        least.expect("a set has ways")
    });
    let source = &mut set[place];
    (source.repeats, source.heard) = (source.repeats_at(now), now);
    if source.peer != Some(peer) {
        (source.peer, source.growth) = (Some(peer), Growth::default());
    }
    source
}

impl Source {
    fn repeats_at(&self, now: Instant) -> f64 {
        (self.repeats - now.duration_since(self.heard).as_secs_f64() * FORGOTTEN_PER_SECOND).max(0.0)
    }
}

/// The hashes of what was there lately. Each belongs into one row, where a new one takes the place of any other: which
/// one is left to chance, or else two loops might displace each other every time, for ever.
struct Seen {
    rows: Vec<[u32; ROW]>,
    chance: u64,
}

impl Seen {
    fn row(key: u64) -> usize {
        key as usize % ROWS
    }

    fn has(&self, key: u64) -> bool {
        self.rows[Self::row(key)].contains(&((key >> 32) as u32))
    }

    /// Whether it was there already.
    fn add(&mut self, key: u64) -> bool {
        let (row, mark) = (&mut self.rows[Self::row(key)], (key >> 32) as u32);
        let is_known = row.contains(&mark);
        if !is_known {
            // Knuth's linear congruential generator, whose high bits are the good ones.
            self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            row[(self.chance >> 32) as usize % ROW] = mark;
        }
        is_known
    }
}

/// What the datagrams of one source are known by.
#[derive(Clone, Copy)]
struct Keys<'a> {
    hasher: &'a RandomState,
    peer: u64,
}

impl Keys<'_> {
    /// This datagram, and no other.
    fn whole(&self, data: &[u8]) -> u64 {
        self.hasher.hash_one(data) ^ self.peer
    }

    /// This datagram, in the one row that all short ones of the source share: each new one displaces another.
    fn short(&self, data: &[u8]) -> u64 {
        self.whole(data) >> 32 << 32 | self.peer & u64::from(u32::MAX)
    }

    /// This datagram, whether its letters are capital or small. It is read in pieces: to copy a large one costs more.
    fn in_small_letters(&self, data: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let mut room = [0; PIECE_BYTES];
        for piece in data.chunks(PIECE_BYTES) {
            let small = &mut room[..piece.len()];
            small.copy_from_slice(piece);
            small.make_ascii_lowercase();
            hasher.write(small);
        }
        hasher.finish() ^ self.peer
    }

    /// All that begin like this one; if it has not enough to tell, those that are the same.
    fn beginning(&self, data: &[u8]) -> u64 {
        self.hasher.hash_one((word(data), data.len().min(TELLING_BYTES))) ^ self.peer
    }
}

/// The first eight bytes as a number, or what there is of them; letters are the same whether capital or small.
fn word(data: &[u8]) -> u64 {
    let mut bytes = [0; TELLING_BYTES];
    let length = data.len().min(TELLING_BYTES);
    bytes[..length].copy_from_slice(&data[..length]);
    bytes.make_ascii_lowercase();
    u64::from_le_bytes(bytes)
}
