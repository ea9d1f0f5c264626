//! The probes of a ping: sending each when it is due, and telling what becomes of it.

use std::time::Instant;

use anyhow::{Context, Result};
use common::address::Address;
use common::berkeley::OwnedFd;
use common::measure::{GRACE, ns};
use common::screen::bytes;
use common::signal::Stop;
use common::stats::report::{Ended, Milliseconds, Rate};
use common::stats::{Fate, Outcome, Request, Schedule, Tally, Times, Trouble};
use common::wait::{Interest, Wake, pause, wait};
use common::{Errno, exit, screen};

use super::Options;
use crate::connect;
use crate::flow::{End, Flow, Wire};

/// A connection that owes a reply for so many timeouts is given up.
const TIMEOUTS_OF_A_CONNECTION: u64 = 2;
/// More probes than this are not on their way at once: their memory is bounded, whatever interval and timeout are.
pub const MOST_ON_THEIR_WAY: usize = 65_536;

/// The probes of a run, and the connection that they go over.
pub struct Probes<'a> {
    options: &'a Options,
    stop: &'a Stop,
    peer: Address,
    schedule: Schedule,
    timeout_ns: u64,
    end_ns: u64,
    count: u64,
    wire: Wire,
    /// None: lost, and not yet wanted again.
    flow: Option<Flow>,
    pub tally: Tally,
    /// The place in the schedule of the next probe. Those that were missed are not made up for: ping never hurries.
    slot: u64,
    /// All probes before this one have either an answer or a line that says that they have none.
    told: u64,
    /// The probes that the last `recv` brought an answer to, and when.
    answers: Vec<(Request, u64)>,
    /// Lines for people; not with --json.
    says_more: bool,
    /// Nobody reads stdout any more.
    is_unread: bool,
}

impl<'a> Probes<'a> {
    /// The first connection is there. The clock starts.
    pub fn new(options: &'a Options, peer: Address, connection: OwnedFd, stop: &'a Stop) -> Probes<'a> {
        let common = &options.measure;
        Probes {
            options,
            stop,
            peer,
            schedule: Schedule::every(options.interval),
            timeout_ns: ns(common.timeout),
            end_ns: options.deadline.map_or(u64::MAX, ns),
            count: options.count.unwrap_or(u64::MAX),
            wire: Wire::new(common.prefix.clone(), common.size),
            flow: Some(Flow::new(connection)),
            tally: Tally { from_schedule: Some(Times::default()), ..Tally::default() },
            slot: 0,
            told: 0,
            answers: Vec::new(),
            says_more: !common.json,
            is_unread: false,
        }
    }

    /// Sends a probe when one is due, tells what comes back, and gives the last replies their time.
    ///
    /// Errors: stdout can't be written.
    pub fn until_the_end(&mut self) -> Result<Outcome> {
        let ended = self.probe_until_the_end(self.stop)?;
        let offered = Some(Rate::of(self.slot, self.wire.clock.ns()));
        self.wait_for_the_last(ended, self.stop)?;
        let elapsed_ns = self.wire.clock.ns();
        self.end_flow(&End::Over);
        Ok(Outcome { ended, elapsed_ns, offered, achieved: Rate::of(self.tally.account.received, elapsed_ns) })
    }

    fn probe_until_the_end(&mut self, stop: &Stop) -> Result<Ended> {
        loop {
            let now_ns = self.wire.clock.ns();
            if stop.is_asked() || self.is_unread {
                return Ok(Ended::Signal);
            } else if now_ns >= self.end_ns {
                return Ok(Ended::Duration);
            } else if self.tally.account.sent == self.count {
                return Ok(Ended::Count);
            }
            let due_ns = self.schedule.due_ns(self.slot);
            if due_ns <= now_ns {
                self.probe(due_ns, now_ns)?;
                self.slot = self.schedule.due_by(now_ns).max(self.slot + 1);
            } else {
                self.listen(Some(stop), due_ns.min(self.end_ns))?;
            }
        }
    }

    /// Gives the last replies their time.
    fn wait_for_the_last(&mut self, ended: Ended, stop: &Stop) -> Result<()> {
        let now_ns = self.wire.clock.ns();
        let (stop, patience_ns) = match ended {
            Ended::Signal => (None, self.timeout_ns.min(ns(GRACE))),
            // Once more than the timeout, so that the last is told like the others.
            _ => (Some(stop), self.timeout_ns.saturating_add(1_000_000)),
        };
        let until_ns = now_ns.saturating_add(patience_ns).min(self.end_ns);
        while self.flow.as_ref().is_some_and(|flow| !flow.outstanding().is_empty())
            && self.wire.clock.ns() < until_ns
            && !stop.is_some_and(Stop::is_asked)
        {
            self.listen(stop, until_ns)?;
        }
        Ok(())
    }

    /// `send`, after `socket` and `connect` if need be.
    fn probe(&mut self, due_ns: u64, now_ns: u64) -> Result<()> {
        let request = Request { sequence: self.tally.account.sent, due_ns, sent_ns: now_ns };
        if self.flow.is_none()
            && let Err(errno) = self.connect_again()
        {
            self.tally.account.send();
            let refused = errno == Errno::CONNREFUSED;
            self.tally.account.settle(if refused { Fate::Refused } else { Fate::SendError });
            self.tally.errors.count(Trouble::connecting(errno));
            return self.say(&format!("seq={} not sent: cannot connect: {}", request.sequence, exit::plain(errno)));
        }
        let Some(flow) = &mut self.flow else { return Ok(()) };
        if !flow.has_room(&self.wire) || flow.outstanding().len() >= MOST_ON_THEIR_WAY {
            return Ok(());
        }
        self.tally.account.send();
        // Connecting again has taken its time.
        let request = Request { sent_ns: self.wire.clock.ns(), ..request };
        flow.ask(request, &mut self.wire);
        match flow.send(&mut self.wire) {
            Ok(()) => Ok(()),
            Err(end) => self.lose(&end),
        }
    }

    fn connect_again(&mut self) -> Result<(), Errno> {
        let began_ns = self.wire.clock.ns();
        let connection = connect::to(&self.peer, self.options.measure.timeout)?;
        self.tally.connect.record(self.wire.clock.ns() - began_ns);
        connect::prepare(&connection, &self.peer)?;
        self.flow = Some(Flow::new(connection));
        Ok(())
    }

    /// Waits for replies, but not for longer than `until_ns`, and does what has to be done when one has come or is overdue.
    fn listen(&mut self, stop: Option<&Stop>, until_ns: u64) -> Result<()> {
        let overdue_ns = self.next_overdue().map_or(u64::MAX, |(_, overdue_ns)| overdue_ns);
        let until = self.wire.clock.at(until_ns.min(overdue_ns));
        match (&mut self.flow, stop) {
            (Some(flow), stop) => {
                let interest = if flow.is_stuck() { Interest::IN | Interest::OUT } else { Interest::IN };
                let wake = wait(&flow.connection, interest, stop, Some(until)).context("cannot wait")?;
                if let Wake::Ready(_) = wake {
                    let answers = &mut self.answers;
                    let result = flow
                        .send_rest()
                        .and_then(|()| flow.receive(&mut self.wire, |request, at_ns| answers.push((*request, at_ns))));
                    self.tell_answers()?;
                    if let Err(end) = result {
                        self.lose(&end)?;
                    }
                }
            }
            (None, Some(stop)) => {
                let left = until.saturating_duration_since(Instant::now());
                pause(stop, Some(left)).context("cannot wait")?;
            }
            (None, None) => {}
        }
        self.tell_overdue()
    }

    fn tell_answers(&mut self) -> Result<()> {
        for (request, at_ns) in std::mem::take(&mut self.answers) {
            let fate = self.tally.answered(&request, at_ns, self.timeout_ns);
            let late = if fate == Fate::Late { " (late)" } else { "" };
            let (size, sequence) = (bytes(self.options.measure.size), request.sequence);
            if fate == Fate::Late && sequence >= self.told {
                // It came before anybody had noticed.
                self.tally.errors.count(Trouble::Timeout);
            }
            let time = Milliseconds(at_ns - request.sent_ns);
            self.say(&format!("{size} from {}: seq={sequence} time={time} ms{late}", self.peer))?;
        }
        Ok(())
    }

    /// The first probe that is not yet known to be overdue, and when it will be.
    fn next_overdue(&self) -> Option<(u64, u64)> {
        let outstanding = self.flow.as_ref()?.outstanding();
        let next = outstanding.iter().find(|request| request.sequence >= self.told)?;
        Some((next.sequence, next.sent_ns.saturating_add(self.timeout_ns)))
    }

    fn tell_overdue(&mut self) -> Result<()> {
        let now_ns = self.wire.clock.ns();
        while let Some((sequence, overdue_ns)) = self.next_overdue() {
            if overdue_ns > now_ns {
                break;
            }
            self.told = sequence + 1;
            self.tally.errors.count(Trouble::Timeout);
            let timeout = humantime::format_duration(self.options.measure.timeout);
            self.say(&format!("no reply to seq={sequence} within {timeout}"))?;
        }
        let oldest = self.flow.as_ref().and_then(|flow| flow.outstanding().front());
        let patience_ns = self.timeout_ns.saturating_mul(TIMEOUTS_OF_A_CONNECTION);
        match oldest {
            Some(oldest) if oldest.sent_ns.saturating_add(patience_ns) <= now_ns => self.lose(&End::Timeout),
            _ => Ok(()),
        }
    }

    /// The connection is of no more use.
    fn lose(&mut self, why: &End) -> Result<()> {
        self.end_flow(why);
        // Each overdue probe has been counted by itself.
        if let Some(trouble) = why.trouble().filter(|_| *why != End::Timeout) {
            self.tally.errors.count(trouble);
        }
        self.say(&format!("lost the connection to {}: {why}", self.peer))
    }

    fn end_flow(&mut self, why: &End) {
        if let Some(flow) = self.flow.take() {
            flow.end(why, &self.wire, |_, fate| self.tally.account.settle(fate));
        }
    }

    /// A line for people.
    ///
    /// Errors: stdout can't be written.
    pub fn say(&mut self, line: &str) -> Result<()> {
        if self.says_more && !self.is_unread {
            self.is_unread = !screen::print_until(format!("{line}\n"), self.stop)?;
        }
        Ok(())
    }
}
