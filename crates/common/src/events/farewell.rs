//! How connections end that don't end by themselves: given up one by one, or all when the server is asked to stop.

use std::num::NonZero;
use std::time::{Duration, Instant};

use anyhow::Error;

use super::{Clock, EventLoop, Next, Service};
use crate::wait::GaveUp;

/// How long a client that the server has given up may take to read its last words.
const LINGER: Duration = Duration::from_millis(500);

impl<S: Service> EventLoop<'_, S> {
    /// From now on a connection only waits for its client's end, and not for long.
    pub(super) fn linger(&mut self, key: usize) {
        self.idle.remove(key, &mut self.connections);
        let farewell = &mut self.connections[key].farewell;
        if farewell.is_none() {
            self.farewells = self.farewells.checked_add(1).unwrap_or(NonZero::<u32>::MIN);
            *farewell = Some(self.farewells);
            self.lingering.push_back((Instant::now() + LINGER, key, self.farewells));
        }
    }

    /// The server can't go on for a fault of this loop's. That is no fault of anybody's who is being served: so it ends as if it
    /// had been asked to stop, for all loops.
    pub(super) fn fail(&mut self, error: Error) {
        self.failure = Some(self.patience.stop.fail(S::PROGRAM, error));
    }

    /// The server has been asked to stop: nobody else comes, and who is here is told by a turn.
    pub(super) fn stop(&mut self) {
        self.stop_accepting();
        (self.stopping, self.finished) = (true, true);
        for key in self.keys() {
            self.go_on(key, false);
        }
    }

    fn keys(&self) -> Vec<usize> {
        self.connections.iter().map(|(key, _)| key).collect()
    }

    /// Gives up who has been silent for too long, everybody at the end of the drain, and closes who has lingered enough.
    pub(super) fn give_up_the_late(&mut self, now: Instant) {
        while let Some((key, allowance)) = self.idle.expired() {
            self.give_up(key, GaveUp::Idle(allowance));
        }
        if !self.drained && self.patience.drain_until().is_some_and(|end| end <= now) {
            self.drained = true;
            for key in self.keys() {
                self.give_up(key, GaveUp::Drained);
            }
        }
        while let Some(&(_, key, farewell)) = self.lingering.front().filter(|(until, ..)| *until <= now) {
            self.lingering.pop_front();
            if self.connections.get(key).is_some_and(|entry| entry.farewell == Some(farewell)) {
                self.close(key);
            }
        }
    }

    fn give_up(&mut self, key: usize, why: GaveUp) {
        let entry = &mut self.connections[key];
        if entry.farewell.is_some() {
            return;
        }
        let next = self.service.give_up(&mut entry.conversation, &entry.connection, why);
        if next == Next::Room {
            let clock = Clock { renewed: true, ..self.service.clock(&mut entry.conversation) };
            self.idle.touch(key, clock, &mut self.connections);
            // Where all that was left could be sent, the kernel has no reason to tell of room.
            return self.has_more(key);
        }
        if next != Next::Close {
            self.linger(key);
        }
        self.is_next(key, next);
    }
}

/// However a loop ends, nobody waits for it in vain. Without it the others would only go on half dead, since its share of the
/// clients is handed to it or, if it is the first, accepted by it: so if it wasn't time for its end, the server stops. The
/// clients of the others have their time to finish; its own are lost with it.
impl<S: Service> Drop for EventLoop<'_, S> {
    fn drop(&mut self) {
        self.crew.is_gone(self.own);
        if !self.finished {
            self.patience.stop.ask();
        }
    }
}
