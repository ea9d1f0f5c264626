//! Who has been silent the longest, without looking at everybody: for each allowance of time a list of the connections that
//! live on it, in the order of their last sign of life. A sign of life moves a connection to the back, and who is to be given
//! up stands at the front.
//!
//! The links are part of the connections' own entries, so that the lists need no memory of their own. Time is counted in
//! ticks, a 64th of what is allowed: a connection that shows life a thousand times within a tick is moved once.

use std::time::{Duration, Instant};

use slab::Slab;

use super::{Clock, Entry};

const NOBODY: u32 = u32::MAX;
const TICKS: u32 = 64;

/// A connection's place in the list.
pub struct Link {
    before: u32,
    behind: u32,
    /// The tick of its last sign of life.
    alive: u32,
    /// Which list it is in.
    list: u8,
}

const NO_LIST: u8 = u8::MAX;

impl Default for Link {
    fn default() -> Link {
        Link { before: NOBODY, behind: NOBODY, alive: 0, list: NO_LIST }
    }
}

/// The lists, one for each allowance.
pub struct IdleLists(Vec<IdleList>);

impl IdleLists {
    /// Empty lists of connections that may be silent for so long.
    pub fn new(allowances: &[Option<Duration>]) -> IdleLists {
        IdleLists((0..).zip(allowances).map(|(list, allowance)| IdleList::new(list, *allowance)).collect())
    }

    /// Time goes by.
    pub fn tick(&mut self, now: Instant) {
        self.0.iter_mut().for_each(|list| list.tick(now));
    }

    /// When the first of those at the front will have been silent for too long.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(IdleList::next_deadline).min()
    }

    /// One that has been silent for too long, and how long that is.
    pub fn expired(&self) -> Option<(usize, Duration)> {
        self.0.iter().find_map(|list| list.expired().map(|key| (key, list.allowance.unwrap_or_default())))
    }

    /// The one that has been in this list the longest.
    pub fn front(&self, list: u8) -> Option<usize> {
        let front = self.0[usize::from(list)].front;
        (front != NOBODY).then_some(front as usize)
    }

    /// A new connection, or one that begins anew.
    pub fn push<C>(&mut self, key: usize, list: u8, entries: &mut Slab<Entry<C>>) {
        self.0[usize::from(list)].push(key, entries);
    }

    /// A turn is over: perhaps a sign of life, perhaps time for something else.
    pub fn touch<C>(&mut self, key: usize, clock: Clock, entries: &mut Slab<Entry<C>>) {
        let Link { list, alive, .. } = entries[key].link;
        let same = list == clock.allowance;
        if !(same && (!clock.renewed || alive == self.0[usize::from(list)].now)) {
            self.remove(key, entries);
            self.push(key, clock.allowance, entries);
        }
    }

    /// A connection that is closed, or given up already.
    pub fn remove<C>(&mut self, key: usize, entries: &mut Slab<Entry<C>>) {
        if let Some(list) = self.0.get_mut(usize::from(entries[key].link.list)) {
            list.remove(key, entries);
        }
    }
}

/// One list.
struct IdleList {
    number: u8,
    /// None: a connection may be silent for as long as it likes; the list only says who has been so for longest.
    allowance: Option<Duration>,
    tick_ms: u64,
    began: Instant,
    now: u32,
    next_tick: Instant,
    front: u32,
    back: u32,
    /// When the one at the front was last alive.
    front_alive: u32,
}

impl IdleList {
    fn new(number: u8, allowance: Option<Duration>) -> IdleList {
        let tick_ms = millis(allowance.unwrap_or_default() / TICKS).max(1);
        let began = Instant::now();
        let (next_tick, front, back) = (began, NOBODY, NOBODY);
        IdleList { number, allowance, tick_ms, began, now: 0, next_tick, front, back, front_alive: 0 }
    }

    fn tick(&mut self, now: Instant) {
        if now >= self.next_tick {
            // 2^32 ticks of a 64th of 5 minutes are 600 years; of a millisecond, 50 days, after which somebody is cut early.
            self.now = (millis(now.duration_since(self.began)) / self.tick_ms) as u32;
            self.next_tick = self.began + Duration::from_millis(self.tick_ms * (u64::from(self.now) + 1));
        }
    }

    /// When the one at the front will have been silent for too long.
    fn next_deadline(&self) -> Option<Instant> {
        let ticks = u64::from(self.front_alive.wrapping_add(TICKS + 1));
        (self.allowance.is_some() && self.front != NOBODY)
            .then(|| self.began + Duration::from_millis(self.tick_ms * ticks))
    }

    /// The one at the front, if it has been silent for too long.
    fn expired(&self) -> Option<usize> {
        let late = self.allowance.is_some() && self.front != NOBODY && self.now.wrapping_sub(self.front_alive) > TICKS;
        late.then_some(self.front as usize)
    }

    /// At the back.
    fn push<C>(&mut self, key: usize, entries: &mut Slab<Entry<C>>) {
        let old_back = std::mem::replace(&mut self.back, key as u32);
        entries[key].link = Link { before: old_back, behind: NOBODY, alive: self.now, list: self.number };
        match entries.get_mut(old_back as usize).filter(|_| old_back != NOBODY) {
            Some(old_back) => old_back.link.behind = key as u32,
            None => (self.front, self.front_alive) = (key as u32, self.now),
        }
    }

    fn remove<C>(&mut self, key: usize, entries: &mut Slab<Entry<C>>) {
        let link = std::mem::take(&mut entries[key].link);
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

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: u8 = 0;
    const HEAD: u8 = 1;
    const FOR_EVER: u8 = 2;

    /// Three connections, and lists for 64 and 6.4 seconds and for ever.
    fn three() -> (IdleLists, Slab<Entry<()>>) {
        let allowances = [Some(Duration::from_secs(64)), Some(Duration::from_millis(6400)), None];
        let (mut lists, mut entries) = (IdleLists::new(&allowances), Slab::new());
        for _ in 0..3 {
            let connection = std::fs::File::open("/dev/null").unwrap().into();
            let link = Link::default();
            let (sends, is_busy, ended, is_urgent, farewell) = (false, false, false, false, None);
            let key = entries.insert(Entry {
                connection,
                link,
                sends,
                is_busy,
                ended,
                is_urgent,
                farewell,
                conversation: (),
            });
            lists.push(key, IDLE, &mut entries);
        }
        (lists, entries)
    }

    fn at(lists: &mut IdleLists, seconds: u64) {
        let began = lists.0[0].began;
        lists.tick(began + Duration::from_secs(seconds));
    }

    fn clock(allowance: u8, renewed: bool) -> Clock {
        Clock { allowance, renewed }
    }

    #[test]
    fn a_sign_of_life_moves_to_the_back() {
        let (mut lists, mut entries) = three();
        at(&mut lists, 10);
        lists.touch(0, clock(IDLE, true), &mut entries);
        at(&mut lists, 66);
        for expected in [1, 2] {
            assert_eq!(lists.front(IDLE), Some(expected));
            assert_eq!(lists.expired(), Some((expected, Duration::from_secs(64))));
            lists.remove(expected, &mut entries);
        }
        assert_eq!(lists.expired(), None);
        at(&mut lists, 76);
        assert_eq!(lists.expired().map(|(key, _)| key), Some(0));
    }

    #[test]
    fn what_is_no_sign_of_life_gains_no_time() {
        let (mut lists, mut entries) = three();
        lists.touch(1, clock(HEAD, false), &mut entries);
        for second in 1..=6 {
            at(&mut lists, second);
            lists.touch(1, clock(HEAD, false), &mut entries);
            assert_eq!(lists.expired(), None);
        }
        at(&mut lists, 7);
        assert_eq!(lists.expired(), Some((1, Duration::from_millis(6400))));
        lists.touch(1, clock(HEAD, true), &mut entries);
        assert_eq!(lists.expired(), None);
    }

    #[test]
    fn something_else_to_wait_for_begins_anew_and_may_take_for_ever() {
        let (mut lists, mut entries) = three();
        at(&mut lists, 63);
        lists.touch(0, clock(FOR_EVER, false), &mut entries);
        lists.touch(2, clock(HEAD, false), &mut entries);
        assert_eq!(lists.front(FOR_EVER), Some(0), "it can give way, if it needn't");
        at(&mut lists, 66);
        assert_eq!(lists.expired().map(|(key, _)| key), Some(1));
        lists.remove(1, &mut entries);
        lists.remove(1, &mut entries);
        assert_eq!(lists.expired(), None);
        at(&mut lists, 71);
        assert_eq!(lists.expired().map(|(key, _)| key), Some(2));
        lists.remove(2, &mut entries);
        assert_eq!((lists.expired(), lists.next_deadline()), (None, None));
    }
}
