//! Recognising a loop: two servers that send each other the same thing for ever.
//!
//! One forged datagram, in the name of one server to another, is enough to start it. What gives it away is that the source
//! brings the same datagram again and again; or one that grows, because it comes back behind our prefix, behind the other
//! server's, or both; in capital letters perhaps, as some servers answer. An honest client sends something new each time, or
//! waits a little before it sends the same. So a number of repeats is borne with, and forgotten at the pace of a patient
//! person; from then on what comes back is not answered, and the loop is at its end.

use std::hash::{BuildHasher, Hash};
use std::time::Instant;

use common::prefix::Prefix;
use foldhash::quality::RandomState;
use memchr::memmem::Finder;

/// So many repeats from one source are answered. Two servers exchange twice as many datagrams, well below a thousand.
const MOST_REPEATS: f64 = 100.0;
/// So many repeats a second are forgotten.
const FORGOTTEN_PER_SECOND: f64 = 1.0;
/// So many of the last datagrams of each source are remembered: so many loops between the same two servers are seen at once.
const REMEMBERED: usize = 16;
/// A source is looked for in one set only, and shares it with so many others.
const WAYS: usize = 4;
/// With the two above, about 700 KiB, whatever happens.
const SETS: usize = 256;
/// Fewer bytes may be the same by chance.
const TELLING_BYTES: usize = 8;
/// Our prefix may stand by chance in what the other server puts before it; so many times it is looked at, and no further into
/// a datagram than this.
const PREFIXES_LOOKED_AT: usize = 8;
const HEAD_BYTES: usize = 2 * Prefix::MOST_BYTES;

/// Who sent what lately.
pub struct Repeats {
    prefix: Finder<'static>,
    hasher: RandomState,
    sets: Vec<[Source; WAYS]>,
}

#[derive(Clone, Copy)]
struct Source {
    /// Its address, hashed: nobody outside can tell which others have the same.
    peer: Option<u64>,
    /// When it was last heard.
    heard: Instant,
    /// How often it has brought something back, less what is forgotten.
    repeats: f64,
    /// Its last datagrams that were answered, the oldest to be replaced next.
    datagrams: [Option<Fingerprint>; REMEMBERED],
    next: usize,
}

/// Enough of a datagram to recognise it, and to see quickly that something is not it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    length: usize,
    first: u64,
    last: u64,
    hash: u64,
}

impl Repeats {
    /// Nothing heard yet; each reply will begin with `prefix`.
    pub fn new(prefix: &[u8], now: Instant) -> Repeats {
        let nobody = Source { peer: None, heard: now, repeats: 0.0, datagrams: [None; REMEMBERED], next: 0 };
        let prefix = Finder::new(&prefix.to_ascii_lowercase()).into_owned();
        Repeats { prefix, hasher: RandomState::default(), sets: vec![[nobody; WAYS]; SETS] }
    }

    /// Whether to answer this datagram: it isn't one repeat too many. If so, it is remembered.
    pub fn admits(&mut self, peer: &impl Hash, data: &[u8], now: Instant) -> bool {
        let datagram = Fingerprint::new(data, &self.hasher);
        let peer = self.hasher.hash_one(peer);
        let source = find(&mut self.sets[peer as usize % SETS], peer, now);
        let forgotten = now.duration_since(source.heard).as_secs_f64() * FORGOTTEN_PER_SECOND;
        source.repeats = (source.repeats - forgotten).max(0.0);
        source.heard = now;
        let known = source.datagrams.contains(&Some(datagram));
        let mut room = [0; HEAD_BYTES];
        let head = &mut room[..data.len().min(HEAD_BYTES)];
        head.copy_from_slice(&data[..head.len()]);
        head.make_ascii_lowercase();
        let grew = |old: &Fingerprint| match self.prefix.needle() {
            [] => old.is_at_an_end_of(data, &self.hasher),
            _ => old.is_behind_a_prefix(head, &self.prefix),
        };
        if known || source.datagrams.iter().flatten().any(grew) {
            if source.repeats >= MOST_REPEATS {
                return false;
            }
            source.repeats += 1.0;
        }
        if !known {
            source.datagrams[source.next] = Some(datagram);
            source.next = (source.next + 1) % REMEMBERED;
        }
        true
    }
}

/// What is known of a peer. For a new one, the least suspicious of its set is forgotten, and of several the one that has
/// been silent the longest: many others that come and go don't hide a loop.
fn find(set: &mut [Source; WAYS], peer: u64, now: Instant) -> &mut Source {
    if let Some(known) = set.iter().position(|source| source.peer == Some(peer)) {
        return &mut set[known];
    }
    let suspicion = |source: &Source| (source.peer.is_some(), source.repeats, source.heard);
    let least = set.iter_mut().min_by(|a, b| suspicion(a).partial_cmp(&suspicion(b)).expect("no repeats are NaN"));
    let least = least.expect("a set has ways");
    *least = Source { peer: Some(peer), heard: now, repeats: 0.0, datagrams: [None; REMEMBERED], next: 0 };
    least
}

impl Fingerprint {
    fn new(data: &[u8], hasher: &RandomState) -> Fingerprint {
        let tail = &data[data.len().saturating_sub(TELLING_BYTES)..];
        Fingerprint { length: data.len(), first: word(data), last: word(tail), hash: hasher.hash_one(data) }
    }

    /// Whether `data` is this datagram with something before it, or behind it.
    fn is_at_an_end_of(&self, data: &[u8], hasher: &RandomState) -> bool {
        let Some(more) = data.len().checked_sub(self.length) else { return false };
        // The hash reads all of it, so it comes last.
        let is = |part: &[u8]| word(part) == self.first && Fingerprint::new(part, hasher) == *self;
        self.length >= TELLING_BYTES && (is(&data[more..]) || is(&data[..self.length]))
    }

    /// Whether this datagram begins behind a prefix of ours in `head`, the beginning of another in small letters. What comes
    /// before, and how much of it was cut off, doesn't matter.
    fn is_behind_a_prefix(&self, head: &[u8], prefix: &Finder) -> bool {
        if self.length < TELLING_BYTES {
            // Too short to be told by its beginning alone, so it has to be the end as well.
            let whole = &self.first.to_be_bytes()[TELLING_BYTES - self.length..];
            return head.strip_suffix(whole).is_some_and(|before| before.ends_with(prefix.needle()));
        }
        let begins = |start: usize| {
            let behind = &head[start + prefix.needle().len()..];
            behind.len() >= TELLING_BYTES && word(behind) == self.first
        };
        prefix.find_iter(head).take(PREFIXES_LOOKED_AT).any(begins)
    }
}

/// The first eight bytes as a number, or what there is of them; letters are the same whether capital or small.
fn word(data: &[u8]) -> u64 {
    data.iter().take(TELLING_BYTES).fold(0, |word, byte| word << 8 | u64::from(byte.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::net::SocketAddr;
    use std::time::Duration;

    /// Another echo server: what it puts before a datagram, and how much of one it takes.
    struct Other {
        prefix: &'static str,
        most_bytes: usize,
        shouts: bool,
    }

    /// How many datagrams our server answers when each of `forged` is sent to it once in the name of the other server, the
    /// answers come back after `round_trip`, and everything stops after a million.
    fn answers(our_prefix: &str, other: &Other, forged: &[&[u8]], round_trip: Duration) -> usize {
        let mut now = Instant::now();
        let mut repeats = Repeats::new(our_prefix.as_bytes(), now);
        let peer: SocketAddr = "192.0.2.9:2001".parse().unwrap();
        let mut flying: VecDeque<Vec<u8>> = forged.iter().map(|data| data.to_vec()).collect();
        let mut answers = 0;
        while let Some(data) = flying.pop_front().filter(|_| answers < 1_000_000) {
            now += round_trip;
            if repeats.admits(&peer, &data, now) {
                let reply = [our_prefix.as_bytes(), &data].concat();
                answers += 1;
                let mut back = [other.prefix.as_bytes(), &reply].concat();
                back.truncate(other.most_bytes);
                if other.shouts {
                    back.make_ascii_uppercase();
                }
                flying.push_back(back);
            }
        }
        answers
    }

    #[test]
    fn every_loop_ends_whatever_the_two_servers_put_before_a_datagram_or_cut_off_behind() {
        let forged: [&[u8]; 5] = [b"", b"x", b"Hello world", &[0; 1400], b"echo -> "];
        for ours in ["echo -> ", "", "e"] {
            for theirs in ["", "echo -> ", "other: "] {
                for most_bytes in [65_535, 1024, 10] {
                    for shouts in [false, true] {
                        let other = Other { prefix: theirs, most_bytes, shouts };
                        let answers = answers(ours, &other, &forged, Duration::from_micros(10));
                        assert!(answers < 500, "{answers} answers with {ours:?}, {theirs:?}, {most_bytes}, {shouts}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_slow_loop_ends_too() {
        let other = Other { prefix: "", most_bytes: 65_535, shouts: false };
        assert!(answers("", &other, &[b"x"], Duration::from_millis(200)) < 200);
    }

    #[test]
    fn many_other_clients_do_not_hide_a_loop() {
        let now = Instant::now();
        let mut repeats = Repeats::new(b"", now);
        let peer: SocketAddr = "192.0.2.9:2001".parse().unwrap();
        let mut answers = 0;
        for round in 0..2000u32 {
            answers += usize::from(repeats.admits(&peer, b"looping", now));
            for client in 0..50 {
                let client = SocketAddr::from(([10, 0, 0, client], 1024 + round as u16));
                assert!(repeats.admits(&client, b"honest", now));
            }
        }
        assert!(answers < 500, "{answers}");
    }

    #[test]
    fn distinct_payloads_are_never_taken_for_a_loop() {
        let now = Instant::now();
        for prefix in ["", "echo -> "] {
            let mut repeats = Repeats::new(prefix.as_bytes(), now);
            let peer: SocketAddr = "192.0.2.9:40000".parse().unwrap();
            for number in 0..100_000u64 {
                let data = [&number.to_be_bytes()[..], &[b'.'; 100]].concat();
                assert!(repeats.admits(&peer, &data, now), "{number}");
            }
        }
    }

    #[test]
    fn a_monitor_that_repeats_one_payload_each_second_is_always_answered() {
        let start = Instant::now();
        let mut repeats = Repeats::new(b"", start);
        let peer: SocketAddr = "192.0.2.9:40000".parse().unwrap();
        for second in 0..10_000 {
            let now = start + Duration::from_secs(second);
            assert!(repeats.admits(&peer, b"still there?", now));
        }
    }
}
