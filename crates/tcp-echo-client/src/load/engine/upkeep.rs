//! What is rare in a load: connections that come and go, and what is done now and then.

use std::time::Instant;

use anyhow::Result;
use common::stats::progress::TICK;
use common::stats::report::Ended;
use common::stats::{Request, Trouble};

use super::super::lines::Line;
use super::Engine;
use crate::flow::End;

impl Engine<'_> {
    /// Tries each connection once; those that fail will be tried again later.
    pub(super) fn connect_all(&mut self) -> Result<()> {
        let began = Instant::now();
        while self.lines.is_opening(began) && !self.stop.is_asked() {
            self.lines.open_some(&mut self.tally);
            self.poll(Some(TICK))?;
            for event in &self.events {
                self.lines.handshake_done(event.token().0, &mut self.tally);
            }
            self.lines.give_up_the_late(&mut self.tally);
        }
        Ok(())
    }

    /// Looks after everything that has to be done now and then.
    pub(super) fn tick(&mut self, now_ns: u64) {
        for key in 0..self.lines.all.len() {
            if let Line::Open(flow) = &self.lines.all[key]
                && let Some(oldest) = flow.outstanding().front()
                && now_ns.saturating_sub(oldest.sent_ns) > self.timeout_ns
            {
                self.lose(key, &End::Timeout);
            }
        }
        self.lines.give_up_the_late(&mut self.tally);
        if !self.plan.is_over(now_ns) {
            self.lines.open_some(&mut self.tally);
        }
        if self.lines.is_dead() {
            self.plan.stop(now_ns, Ended::Failed);
        }
        self.progress.show(&self.plan, &self.tally.errors, now_ns);
    }

    /// A connection is of no more use, and another takes its place.
    #[cold]
    pub(super) fn lose(&mut self, key: usize, why: &End) {
        let Some(flow) = self.lines.take_down(key) else { return };
        self.on_their_way -= flow.outstanding().len();
        if *why == End::Timeout {
            // Each that is overdue; the others only had the wrong neighbours.
            let now_ns = self.wire.clock.ns();
            let is_overdue = |request: &&Request| now_ns.saturating_sub(request.sent_ns) > self.timeout_ns;
            let overdue = flow.outstanding().iter().filter(is_overdue).count();
            (0..overdue).for_each(|_| self.tally.errors.count(Trouble::Timeout));
        } else if let Some(trouble) = why.trouble() {
            self.tally.errors.count(trouble);
        }
        flow.end(why, &self.wire, |request, fate| {
            if self.plan.counts(request) {
                self.tally.account.settle(fate);
            }
        });
    }
}
