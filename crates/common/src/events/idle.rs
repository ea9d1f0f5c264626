//! Who has been silent the longest, without looking at everybody: a list of connections in the order of their last sign of
//! life. A sign of life moves a connection to the back, and who is to be given up stands at the front.
//!
//! The links are part of the connections' own entries, so that the list needs no memory of its own. Time is counted in
//! ticks, a 64th of what is allowed: a connection that shows life a thousand times within a tick is moved once.

use std::time::{Duration, Instant};

use slab::Slab;

use super::Entry;

const NOBODY: u32 = u32::MAX;
const TICKS: u32 = 64;

/// A connection's place in the list.
pub struct Link {
    before: u32,
    behind: u32,
    /// The tick of its last sign of life.
    alive: u32,
    linked: bool,
}

impl Default for Link {
    fn default() -> Link {
        Link { before: NOBODY, behind: NOBODY, alive: 0, linked: false }
    }
}

/// The list.
pub struct IdleList {
    /// None: a connection may be silent for as long as it likes, and there is no list.
    tick_ms: Option<u64>,
    began: Instant,
    now: u32,
    next_tick: Instant,
    front: u32,
    back: u32,
    /// When the one at the front was last alive.
    front_alive: u32,
}

impl IdleList {
    /// An empty list of connections that may be silent for so long.
    pub fn new(idle: Option<Duration>) -> IdleList {
        let tick_ms = idle.map(|idle| millis(idle / TICKS).max(1));
        let began = Instant::now();
        IdleList { tick_ms, began, now: 0, next_tick: began, front: NOBODY, back: NOBODY, front_alive: 0 }
    }

    /// Time goes by.
    pub fn tick(&mut self, now: Instant) {
        if let Some(tick_ms) = self.tick_ms.filter(|_| now >= self.next_tick) {
            // 2^32 ticks of a 64th of 5 minutes are 600 years; of a millisecond, 50 days, after which somebody is cut early.
            self.now = (millis(now.duration_since(self.began)) / tick_ms) as u32;
            self.next_tick = self.began + Duration::from_millis(tick_ms * (u64::from(self.now) + 1));
        }
    }

    /// When the one at the front will have been silent for too long.
    pub fn next_deadline(&self) -> Option<Instant> {
        let tick_ms = self.tick_ms.filter(|_| self.front != NOBODY)?;
        Some(self.began + Duration::from_millis(tick_ms * u64::from(self.front_alive.wrapping_add(TICKS + 1))))
    }

    /// The one at the front, if it has been silent for too long.
    pub fn expired(&self) -> Option<usize> {
        let late = self.front != NOBODY && self.now.wrapping_sub(self.front_alive) > TICKS;
        late.then_some(self.front as usize)
    }

    /// A new connection, at the back.
    pub fn push<C>(&mut self, key: usize, entries: &mut Slab<Entry<C>>) {
        if self.tick_ms.is_none() {
            return;
        }
        let old_back = std::mem::replace(&mut self.back, key as u32);
        entries[key].link = Link { before: old_back, behind: NOBODY, alive: self.now, linked: true };
        match entries.get_mut(old_back as usize).filter(|_| old_back != NOBODY) {
            Some(old_back) => old_back.link.behind = key as u32,
            None => (self.front, self.front_alive) = (key as u32, self.now),
        }
    }

    /// A sign of life.
    pub fn touch<C>(&mut self, key: usize, entries: &mut Slab<Entry<C>>) {
        if entries[key].link.linked && entries[key].link.alive != self.now {
            self.remove(key, entries);
            self.push(key, entries);
        }
    }

    /// A connection that is closed, or given up already.
    pub fn remove<C>(&mut self, key: usize, entries: &mut Slab<Entry<C>>) {
        let link = std::mem::take(&mut entries[key].link);
        if !link.linked {
            return;
        }
        if link.before == NOBODY {
            self.front = link.behind;
        } else {
            entries[link.before as usize].link.behind = link.behind;
        }
        if link.behind == NOBODY {
            self.back = link.before;
        } else {
            entries[link.behind as usize].link.before = link.before;
        }
        if self.front != NOBODY {
            self.front_alive = entries[self.front as usize].link.alive;
        }
    }
}

/// In 64 bits, which are enough for ages and quickly divided.
fn millis(duration: Duration) -> u64 {
    duration.as_secs() * 1000 + u64::from(duration.subsec_millis())
}
