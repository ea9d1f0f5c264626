//! The event loop of a load: one thread that never waits for one connection in particular.
//!
//! What makes it cheap: one `recv` and one `send` for each round trip and nothing else, as long as the kernel has many events
//! at a time to tell; no function that returns between them (see `common::events`); a look at the clock with each; replies
//! compared where they lie; and no memory asked for. All that has come is received first, and only then all that is due is
//! sent: so a server has many requests at a time to answer, and neither side falls asleep and is woken up for each of them.
//! What is rare is done in `upkeep.rs`.

mod upkeep;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result};
use common::address::Address;
use common::berkeley::OwnedFd;
use common::measure::{GRACE, ns};
use common::signal::Stop;
use common::stats::progress::TICK;
use common::stats::report::Ended;
use common::stats::{Clock, Fate, Outcome, Plan, Progress, Tally, Times, Trouble};
use common::wait;
use mio::{Events, Poll};

use super::Options;
use super::lines::{Line, Lines};
use crate::flow::{End, Input, Wire};

/// How many events to take from the kernel at once.
const EVENTS: usize = 1024;
/// How often a connection that always has more may be read in a row, before the others have their turn.
const RECEIVES_A_TURN: usize = 16;

/// A load at work.
pub struct Engine<'a> {
    lines: Lines,
    poll: Poll,
    events: Events,
    stop: &'a Stop,
    pipeline: usize,
    timeout_ns: u64,
    plan: Plan,
    wire: Wire,
    pub tally: Tally,
    /// Requests without a reply, on all connections.
    on_their_way: usize,
    /// With a schedule: the connections that have room for a request, in the order in which they get one.
    free: VecDeque<usize>,
    is_free: Vec<bool>,
    /// Connections with more input than their turn allowed, and whether their server has sent its last byte.
    busy: VecDeque<(usize, bool)>,
    progress: Progress,
}

impl<'a> Engine<'a> {
    /// All connections are down yet.
    ///
    /// Errors: no descriptor left for the event queue.
    pub fn new(options: &Options, peer: Address, stop: &'a Stop) -> Result<Engine<'a>> {
        let poll = Poll::new().context("cannot make an event queue")?;
        let registry = poll.registry().try_clone().context("cannot make an event queue")?;
        let (common, connections) = (&options.measure, options.connections as usize);
        Ok(Engine {
            lines: Lines::new(connections, peer, common.timeout, registry),
            poll,
            events: Events::with_capacity(EVENTS),
            stop,
            pipeline: options.pipeline as usize,
            timeout_ns: ns(common.timeout),
            plan: options.plan(),
            wire: Wire::new(common.prefix.clone(), common.size),
            tally: Tally { from_schedule: options.rate.map(|_| Times::default()), ..Tally::default() },
            on_their_way: 0,
            free: VecDeque::with_capacity(connections),
            is_free: vec![false; connections],
            busy: VecDeque::new(),
            progress: Progress::new(),
        })
    }

    /// Opens the connections, of which the first is there already, then sends and receives until the plan is done.
    ///
    /// Errors: the event queue is broken.
    pub fn run(&mut self, first: OwnedFd, warmup_ns: u64) -> Result<Outcome> {
        self.lines.put(first).context("cannot set the connection up")?;
        self.connect_all()?;
        self.wire.clock = Clock::start();
        self.load()?;
        let elapsed_ns = self.wire.clock.ns().saturating_sub(warmup_ns);
        (0..self.lines.all.len()).for_each(|key| self.lose(key, &End::Over));
        let plan = &self.plan;
        Ok(Outcome { ended: plan.ended(), elapsed_ns, offered: plan.offered(), achieved: plan.achieved() })
    }

    fn load(&mut self) -> Result<()> {
        (0..self.lines.all.len()).for_each(|key| self.is_free_again(key));
        let (mut next_tick_ns, mut over_ns) = (0, None);
        loop {
            let now_ns = self.wire.clock.ns();
            if self.stop.is_asked() {
                self.plan.stop(now_ns, Ended::Signal);
            }
            if now_ns >= next_tick_ns {
                next_tick_ns = now_ns + ns(TICK);
                self.tick(now_ns);
            }
            self.send_what_is_due(now_ns);
            if self.plan.is_past(now_ns) {
                self.plan.close();
            }
            if self.plan.is_over(now_ns) {
                let over_ns = *over_ns.get_or_insert(now_ns);
                let patience_ns = if self.stop.is_asked() { ns(GRACE).min(self.timeout_ns) } else { u64::MAX };
                let is_idle = self.on_their_way == 0 && self.plan.left_ns(now_ns) == 0;
                if is_idle || now_ns - over_ns >= patience_ns {
                    break;
                }
            }
            self.wait(next_tick_ns)?;
            let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
            for event in &events {
                self.go_on(event.token().0, event.is_read_closed() || event.is_error());
            }
            self.events = events;
            self.go_on_with_the_busy();
        }
        self.progress.end();
        Ok(())
    }

    /// Those with more input have another turn.
    #[inline(never)]
    fn go_on_with_the_busy(&mut self) {
        for _ in 0..self.busy.len() {
            if let Some((key, ended)) = self.busy.pop_front() {
                self.go_on(key, ended);
            }
        }
    }

    /// Waits for events, for the next request to be due, or for the next tick.
    fn wait(&mut self, next_tick_ns: u64) -> Result<()> {
        let now_ns = self.wire.clock.ns();
        let Some(due_ns) = self.plan.next_due_ns().filter(|_| !self.plan.is_over(now_ns)) else {
            let timeout = if !self.busy.is_empty() {
                Duration::ZERO
            } else if self.on_their_way == 0 {
                Duration::from_nanos(self.plan.left_ns(now_ns)).min(TICK)
            } else {
                TICK
            };
            return self.poll(Some(timeout));
        };
        let may_send = due_ns <= now_ns && !self.free.is_empty();
        if self.busy.is_empty() && !may_send {
            let until_ns = if due_ns > now_ns { due_ns.min(next_tick_ns) } else { next_tick_ns };
            // The event queue is a descriptor too. Its own wait is in milliseconds, which is too coarse for a schedule.
            let until = self.wire.clock.at(until_ns);
            wait::wait(self.poll.registry(), wait::Interest::IN, None, Some(until)).context("cannot wait")?;
        }
        self.poll(Some(Duration::ZERO))
    }

    fn poll(&mut self, timeout: Option<Duration>) -> Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            Err(error) => Err(error).context("cannot wait for events"),
        }
    }

    /// Gives the requests that are due to the connections that are free. Without a schedule each gets what it has room for.
    #[inline(always)]
    fn send_what_is_due(&mut self, now_ns: u64) {
        let closed_loop = self.plan.next_due_ns().is_none();
        loop {
            let backlog = if closed_loop { u64::MAX } else { self.plan.backlog(now_ns) };
            let now_ns = self.wire.clock.ns();
            if backlog == 0 || (closed_loop && self.plan.is_over(now_ns)) {
                return;
            }
            let share = backlog.div_ceil(self.free.len().max(1) as u64);
            let Some(key) = self.free.pop_front() else { return };
            self.is_free[key] = false;
            self.fill(key, share as usize, now_ns);
            self.is_free_again(key);
        }
    }

    /// A connection that has room for a request stands in line for the next that is due.
    fn is_free_again(&mut self, key: usize) {
        if let Line::Open(flow) = &self.lines.all[key]
            && !self.is_free[key]
            && flow.outstanding().len() < self.pipeline
            && !flow.is_stuck()
        {
            self.is_free[key] = true;
            self.free.push_back(key);
        }
    }

    /// Sends a portion of at most so many requests on a connection.
    #[inline(always)]
    fn fill(&mut self, key: usize, most: usize, now_ns: u64) {
        let Line::Open(flow) = &mut self.lines.all[key] else { return };
        let mut asked = 0;
        while asked < most && flow.outstanding().len() < self.pipeline && flow.has_room(&self.wire) {
            let Some(request) = self.plan.next(now_ns) else { break };
            if self.plan.counts(&request) {
                self.tally.account.send();
            }
            flow.ask(request, &mut self.wire);
            asked += 1;
        }
        if asked > 0 {
            self.on_their_way += asked;
            if let Err(end) = flow.send(&mut self.wire) {
                self.lose(key, &end);
            }
        }
    }

    /// A connection's turn: what couldn't be sent, then `recv`, then the next requests.
    #[inline(always)]
    fn go_on(&mut self, key: usize, ended: bool) {
        let flow = match &mut self.lines.all[key] {
            Line::Open(flow) => flow,
            Line::Connecting { .. } => {
                if self.lines.handshake_done(key, &mut self.tally) {
                    self.is_free_again(key);
                }
                return;
            }
            Line::Down => return,
        };
        let (plan, tally, on_their_way) = (&mut self.plan, &mut self.tally, &mut self.on_their_way);
        let mut result = flow.send_rest().map(|()| Input::More);
        let mut receives = 0;
        // Less than there was room for was all; unless the end came behind it.
        while result == Ok(Input::More) || (ended && result == Ok(Input::Some)) {
            receives += 1;
            if receives > RECEIVES_A_TURN {
                self.busy.push_back((key, ended));
                break;
            }
            result = flow.receive(&mut self.wire, |request, now_ns| {
                *on_their_way -= 1;
                if now_ns.saturating_sub(request.sent_ns) > self.timeout_ns {
                    tally.errors.count(Trouble::Timeout);
                }
                if plan.counts(request) && tally.answered(request, now_ns, self.timeout_ns) == Fate::Received {
                    plan.arrived(now_ns);
                }
            });
        }
        if let Err(end) = result {
            return self.lose(key, &end);
        }
        self.is_free_again(key);
    }
}
