//! Sending: with a schedule what is due, without one what there is room for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::Errno;
use common::wait::{Interest, wait};

use super::super::wire::MOST_AT_ONCE;
use super::Engine;
use crate::unreachable::is_unreachable;

/// So many portions of requests that are due are sent before there is a look at what has come.
const PORTIONS_A_TURN: usize = 16;
/// How long to wait for room, when the kernel has none for one more datagram.
const ROOM: Duration = Duration::from_millis(10);

impl Engine<'_> {
    /// With a schedule: sends what is due, and each flow has its turn.
    pub(super) fn send_what_is_due(&mut self, now_ns: u64) -> Result<()> {
        for _ in 0..PORTIONS_A_TURN {
            let due = (self.plan.backlog(now_ns) as usize).min(self.room());
            // A train leaves when it is full, the last one when there are no more.
            if due == 0 || due < self.full_train() {
                break;
            }
            let share = due.div_ceil(self.flows.len()).next_multiple_of(self.train).min(due).min(MOST_AT_ONCE);
            let flow = self.turn;
            self.turn = (self.turn + 1) % self.flows.len();
            self.send(flow, share)?;
        }
        Ok(())
    }

    /// With a schedule: so many may be sent now.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.ledger.waiting())
    }

    /// With a schedule: how many the next train has.
    pub(super) fn full_train(&self) -> usize {
        self.train.min(usize::try_from(self.plan.left()).unwrap_or(usize::MAX))
    }

    /// Without a schedule: a flow has room for more.
    pub(super) fn fill(&mut self, flow: usize) -> Result<()> {
        if self.plan.next_due_ns().is_some() {
            return Ok(());
        }
        // What is refused at once makes room at once: that is for the next turn.
        let mut room = self.window.saturating_sub(self.waiting[flow]);
        while room >= self.train.min(self.window) {
            let portion = room.min(MOST_AT_ONCE);
            let whole = if portion > self.train { portion - portion % self.train } else { portion };
            let sent = self.send(flow, whole)?;
            if sent < whole {
                break;
            }
            room -= sent;
        }
        Ok(())
    }

    /// Sends a portion of at most so many requests on a flow. Returns how many there were to be sent.
    pub(super) fn send(&mut self, flow: usize, most: usize) -> Result<usize> {
        let now_ns = self.clock.ns();
        self.requests.clear();
        while self.requests.len() < most
            && let Some(mut request) = self.plan.next(now_ns)
        {
            // No two are sent at the same time: so it is seen if the number of one is damaged into that of another.
            request.sent_ns += self.requests.len() as u64;
            self.requests.push(request);
            let follows = !(self.requests.len() - 1).is_multiple_of(self.train);
            let forgotten = self.ledger.send(request, flow, self.plan.counts(&request), follows);
            if let Some(forgotten) = forgotten {
                self.waiting[forgotten.flow] -= 1;
            }
            self.waiting[flow] += 1;
            self.wire.put(self.ledger.bytes(&request));
        }
        let count = self.requests.len();
        let (mut sent, mut tried) = (0, 0);
        while sent < count {
            match self.wire.send(&self.flows[flow].socket) {
                Ok(some) => (sent, tried) = (sent + some, 0),
                Err(Errno::INTR) => {}
                // The news of an earlier request: this one has not been sent yet.
                Err(errno) if is_unreachable(errno) && tried < MOST_AT_ONCE => {
                    tried += 1;
                    self.hear_news(flow, Some(errno));
                }
                Err(Errno::AGAIN | Errno::NOBUFS) if tried == 0 => {
                    tried += 1;
                    let until = Instant::now() + ROOM;
                    wait(&self.flows[flow].socket, Interest::OUT, None, Some(until)).context("cannot wait")?;
                }
                Err(errno) => {
                    // The error queue may say more of it.
                    self.hear_news(flow, None);
                    let refused = self.wire.drop_first();
                    for request in &self.requests[sent..sent + refused] {
                        self.waiting[flow] -= usize::from(self.ledger.not_sent(request, errno));
                    }
                    (sent, tried) = (sent + refused, 0);
                }
            }
        }
        Ok(count)
    }
}
