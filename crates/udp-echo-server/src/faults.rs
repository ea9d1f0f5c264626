//! A bad network on demand: what becomes of replies on the way, in between the server and its socket.
//!
//! On loopback nothing is ever lost, late or out of order. Here it is, and the account says exactly what was done to how many;
//! what a client counts has to be the same. Nothing in this file sends or waits: `faulty.rs` does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::options::Faults;
use crate::server::Incoming;
use crate::tally::Tally;

/// How long a reply that is to be overtaken waits for another one to the same client.
const HELD_AT_MOST: Duration = Duration::from_millis(500);
/// So many may be held for that at once; from then on, replies keep their order.
const MOST_HELD: usize = 1024;
/// So much memory all replies that wait may take, with what each takes besides its bytes.
const MOST_WAITING_BYTES: usize = 64 * 1024 * 1024;
const EACH_BYTES: usize = 256;

/// A reply on its way.
pub struct Reply {
    /// The prefix, and what the client sent.
    pub data: Vec<u8>,
    /// The datagram that it answers.
    pub to: Incoming,
    done: Done,
}

/// What was done to a reply.
#[derive(Clone, Copy, Default)]
struct Done {
    is_copy: bool,
    reordered: bool,
    delayed: bool,
    truncated: bool,
    corrupted: bool,
}

/// The replies that are on their way.
pub struct Network {
    faults: Faults,
    prefix_bytes: usize,
    random: Random,
    /// Those that wait for their time, in the order in which they leave.
    queue: VecDeque<(Instant, Reply)>,
    /// Those that wait for another to overtake them, and how long at most.
    held: VecDeque<(Instant, Reply)>,
    bytes: usize,
}

impl Network {
    /// An empty one. Each reply begins with a prefix of so many bytes, to which nothing is done.
    pub fn new(faults: Faults, prefix_bytes: usize) -> Network {
        let random = Random(faults.seed);
        Network { faults, prefix_bytes, random, queue: VecDeque::new(), held: VecDeque::new(), bytes: 0 }
    }

    /// A reply to this datagram sets out.
    pub fn put(&mut self, data: &[u8], to: Incoming, now: Instant, tally: &Tally) {
        // The same number of them for each reply, so that one fault doesn't change where another one strikes.
        let [drop, duplicate, reorder, corrupt, place, jitter] = std::array::from_fn(|_| self.random.next());
        let faults = &self.faults;
        if falls_into(drop, faults.drop) {
            tally.dropped.add(1);
            return;
        }
        let most = faults.truncate.map_or(usize::MAX, |most| most.saturating_add(self.prefix_bytes));
        // Cut before it is copied: what is cut off would take memory that nobody counts.
        let kept = &data[..data.len().min(most)];
        if self.bytes + 2 * (kept.len() + EACH_BYTES) > MOST_WAITING_BYTES {
            tally.no_room.add(1);
            return;
        }
        let truncated = kept.len() < data.len();
        let mut reply = Reply { data: kept.to_vec(), to, done: Done { truncated, ..Done::default() } };
        let payload = &mut reply.data[self.prefix_bytes..];
        if falls_into(corrupt, faults.corrupt) && !payload.is_empty() {
            let [low, .., high] = place.to_le_bytes();
            let place = (place >> 16) as usize % payload.len();
            payload[place] ^= if low == 0 { high | 1 } else { low };
            reply.done.corrupted = true;
        }
        let late = faults.delay + faults.jitter.mul_f64(share_of(jitter));
        reply.done.delayed = !late.is_zero();
        let (is_twice, is_held) = (falls_into(duplicate, faults.duplicate), falls_into(reorder, faults.reorder));
        let due = now + late;
        let count = if is_twice { 2 } else { 1 };
        self.bytes += count * cost(&reply);
        tally.waiting.add(1);
        let copy = is_twice.then(|| reply.copy());
        if is_held && self.held.len() + count <= MOST_HELD {
            self.held.extend([Some(reply), copy].into_iter().flatten().map(|reply| (now + HELD_AT_MOST, reply)));
            return;
        }
        let overtaken = reply.to.peer.clone();
        self.queue(due, [Some(reply), copy].into_iter().flatten());
        // Those that have waited for this one leave right behind it.
        let (free, held) = std::mem::take(&mut self.held).into_iter().partition(|(_, held)| held.to.peer == overtaken);
        self.held = held;
        let free: VecDeque<_> = free;
        self.queue(
            due,
            free.into_iter().map(|(_, reply)| {
                let done = Done { reordered: true, ..reply.done };
                Reply { done, ..reply }
            }),
        );
    }

    /// Puts replies behind all that are there already: a longer wait of an earlier one is theirs as well.
    fn queue(&mut self, due: Instant, replies: impl Iterator<Item = Reply>) {
        let due = self.queue.back().map_or(due, |(last, _)| due.max(*last));
        self.queue.extend(replies.map(|reply| (due, reply)));
    }

    /// The next reply that is to leave now.
    pub fn take(&mut self, now: Instant) -> Option<Reply> {
        while self.held.front().is_some_and(|(until, _)| *until <= now) {
            self.let_go(now);
        }
        self.queue.front().filter(|(due, _)| *due <= now)?;
        let (_, reply) = self.queue.pop_front()?;
        self.bytes -= cost(&reply);
        Some(reply)
    }

    /// The one that has been held the longest waits no more to be overtaken.
    fn let_go(&mut self, now: Instant) {
        let Some((_, reply)) = self.held.pop_front() else { return };
        let done = Done { delayed: true, ..reply.done };
        self.queue(now, std::iter::once(Reply { done, ..reply }));
    }

    /// None will be overtaken any more, since no others come.
    pub fn let_all_go(&mut self, now: Instant) {
        while !self.held.is_empty() {
            self.let_go(now);
        }
    }

    /// When there is something to take next.
    pub fn next_due(&self) -> Option<Instant> {
        let first = |replies: &VecDeque<(Instant, Reply)>| replies.front().map(|(due, _)| *due);
        first(&self.queue).into_iter().chain(first(&self.held)).min()
    }

    /// Forgets all that are still on their way.
    pub fn cut_off(&mut self, tally: &Tally) {
        let left = self.queue.drain(..).chain(self.held.drain(..)).filter(|(_, reply)| !reply.done.is_copy).count();
        tally.cut_off.add(left as u64);
        tally.waiting.subtract(left as u64);
        self.bytes = 0;
    }
}

impl Reply {
    fn copy(&self) -> Reply {
        Reply { data: self.data.clone(), to: self.to.clone(), done: Done { is_copy: true, ..self.done } }
    }

    /// Whether it's the second one of its kind.
    pub fn is_copy(&self) -> bool {
        self.done.is_copy
    }

    /// It has left, or could not.
    pub fn left(&self, was_sent: bool, tally: &Tally) {
        if self.done.is_copy {
            tally.duplicated.add(was_sent.into());
            return;
        }
        tally.waiting.subtract(1);
        if was_sent {
            tally.answered.add(1);
            tally.reordered.add(self.done.reordered.into());
            tally.delayed.add(self.done.delayed.into());
            tally.truncated.add(self.done.truncated.into());
            tally.corrupted.add(self.done.corrupted.into());
        }
    }
}

fn cost(reply: &Reply) -> usize {
    reply.data.len() + EACH_BYTES
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

/// A random number as one from 0 to just below 1.
fn share_of(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

fn falls_into(random: u64, share: f64) -> bool {
    share_of(random) < share
}

#[cfg(test)]
mod tests;
