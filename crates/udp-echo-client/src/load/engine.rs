//! The event loop of a load: one thread, which never waits for one flow in particular.

mod receiving;
mod sending;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result};
use common::Errno;
use common::address::Address;
use common::berkeley::OwnedFd;
use common::measure::{GRACE, ns};
use common::signal::Stop;
use common::stats::progress::TICK;
use common::stats::report::Ended;
use common::stats::{Clock, Outcome, Plan, Progress, Request, Tally, Times};
use common::wait::{self, Interest};
use mio::unix::SourceFd;
use mio::{Events, Poll, Token};

use super::Options;
use super::wire::{MOST_AT_ONCE, Wire};
use crate::flow::{Flow, LARGEST_REPLY_BYTES};
use crate::ledger::{Ledger, patience_ns};

/// How many events to take from the kernel at once.
const EVENTS: usize = 1024;
/// With a schedule, no more than so many requests are on their way at once: their memory is bounded, whatever rate and timeout
/// are.
const MOST_ON_THEIR_WAY: usize = 262_144;

/// A load at work.
pub struct Engine<'a> {
    flows: Vec<Flow>,
    /// By flow: how many of its requests are waited for.
    waiting: Vec<usize>,
    poll: Poll,
    events: Events,
    stop: &'a Stop,
    window: usize,
    train: usize,
    timeout_ns: u64,
    /// It is one run of many, in search of a rate: what is late is missing, and who refuses is not asked again.
    searches: bool,
    plan: Plan,
    clock: Clock,
    ledger: Ledger,
    wire: Wire,
    requests: Vec<Request>,
    /// Datagrams of strangers, and what comes back of our own.
    data: Vec<u8>,
    /// Flows with more input than their turn allowed.
    busy: VecDeque<usize>,
    /// With a schedule: whose turn it is to send.
    turn: usize,
    /// When the last right reply came.
    heard_ns: u64,
    /// When there was nothing more to be sent, and when each request had its fate besides, or all the time that it may have.
    over_ns: Option<u64>,
    settled_ns: Option<u64>,
    progress: Progress,
}

impl<'a> Engine<'a> {
    /// All flows are there; nothing is sent yet.
    ///
    /// Errors: a flow can't be opened; no descriptor left for the event queue.
    pub fn new(options: &Options, rate: Option<u32>, peer: &Address, stop: &'a Stop) -> Result<Engine<'a>> {
        let poll = Poll::new().context("cannot make an event queue")?;
        let mut flows: Vec<Flow> = Vec::new();
        for index in 0..options.flows as usize {
            let flow = Flow::open(peer, options.way).with_context(|| format!("cannot reach {peer}"))?;
            register(&poll, &flow.socket, 2 * index)?;
            if let Some(strangers) = &flow.strangers {
                register(&poll, strangers, 2 * index + 1)?;
            }
            flows.push(flow);
        }
        let (common, count, timeout_ns) = (&options.measure, flows.len(), ns(options.measure.timeout));
        let tally = Tally { from_schedule: rate.map(|_| Times::default()), ..Tally::default() };
        let ledger = Ledger::new(common.size, common.prefix.clone(), timeout_ns, count, tally);
        let train = options.train as usize;
        let wire = Wire::new(common.size, ledger.longest_reply(), peer, train);
        flows.iter().try_for_each(|flow| wire.prepare(&flow.socket, train)).context("cannot receive trains")?;
        Ok(Engine {
            wire,
            ledger,
            flows,
            waiting: vec![0; count],
            poll,
            events: Events::with_capacity(EVENTS),
            stop,
            window: if rate.is_some() { MOST_ON_THEIR_WAY } else { options.window as usize },
            train,
            timeout_ns,
            searches: options.find_rate,
            plan: options.plan(rate),
            clock: Clock::start(),
            requests: Vec::with_capacity(MOST_AT_ONCE),
            data: vec![0; LARGEST_REPLY_BYTES],
            busy: VecDeque::new(),
            turn: 0,
            heard_ns: 0,
            over_ns: None,
            settled_ns: None,
            progress: Progress::new(),
        })
    }

    /// Sends and receives until the plan is done, and the last replies have had their time.
    ///
    /// Errors: the event queue or a socket is broken.
    pub fn run(&mut self, warmup_ns: u64) -> Result<Outcome> {
        self.clock = Clock::start();
        self.load()?;
        let elapsed_ns = self.settled_ns.unwrap_or_default().saturating_sub(warmup_ns);
        self.ledger.close();
        self.progress.end();
        let plan = &self.plan;
        Ok(Outcome { ended: plan.ended(), elapsed_ns, offered: plan.offered(), achieved: plan.achieved() })
    }

    /// `close`. What has been measured remains.
    pub fn tally(self) -> Tally {
        self.flows.into_iter().for_each(Flow::close);
        let mut tally = self.ledger.tally;
        if let (2.., Some((Errno::MSGSIZE | Errno::INVAL, _))) = (self.train, tally.causes.first()) {
            tally.hint = Some("choose a smaller --size: the datagrams of a train can't be sent in fragments");
        }
        tally
    }

    fn load(&mut self) -> Result<()> {
        let mut next_tick_ns = 0;
        loop {
            let now_ns = self.clock.ns();
            if self.stop.is_asked() {
                self.plan.stop(now_ns, Ended::Signal);
            }
            if now_ns >= next_tick_ns {
                next_tick_ns = now_ns + ns(TICK);
                self.tick(now_ns)?;
            }
            self.give_up_the_overdue(now_ns)?;
            self.send_what_is_due(now_ns)?;
            if self.plan.is_past(now_ns) {
                self.plan.close();
            }
            let end_ns = self.end_ns(now_ns);
            self.wait(next_tick_ns.min(end_ns))?;
            let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
            for event in &events {
                let flow = event.token().0 / 2;
                match event.token().0 % 2 {
                    0 => self.go_on(flow, event.is_error())?,
                    _ => self.hear_strangers(flow),
                }
            }
            self.events = events;
            for _ in 0..self.busy.len() {
                if let Some(flow) = self.busy.pop_front() {
                    self.go_on(flow, false)?;
                }
            }
            // What had come by then has been looked at once more, even if a busy machine has let nobody look before.
            if now_ns >= end_ns {
                return Ok(());
            }
        }
    }

    /// When there is nothing more to wait for, as far as is known now.
    fn end_ns(&mut self, now_ns: u64) -> u64 {
        if !self.plan.is_over(now_ns) {
            return u64::MAX;
        }
        let is_stopped = self.stop.is_asked();
        let patience_ns = match self.searches {
            _ if is_stopped => ns(GRACE).min(self.timeout_ns),
            true if self.plan.ended() == Ended::Failed => 0,
            true => self.timeout_ns.saturating_mul(2),
            false => patience_ns(self.timeout_ns),
        };
        let until_ns = self.over_ns.get_or_insert(now_ns).saturating_add(patience_ns);
        // A time is what was asked for, even if there is nothing to do in the rest of it.
        let left_ns = self.plan.left_ns(now_ns);
        if left_ns > 0 {
            return now_ns.saturating_add(left_ns);
        }
        if self.ledger.tally.account.open() > 0 && now_ns < until_ns {
            return until_ns;
        }
        let settled_ns = *self.settled_ns.get_or_insert(now_ns);
        if is_stopped { settled_ns } else { self.ledger.linger_until_ns(settled_ns) }
    }

    /// Waits for events, for the next request to be due, or until then.
    fn wait(&mut self, mut until_ns: u64) -> Result<()> {
        let now_ns = self.clock.ns();
        let last_of_train = (self.full_train() as u64).saturating_sub(1);
        if let Some(due_ns) = self.plan.due_ns(last_of_train).filter(|_| !self.plan.is_over(now_ns) && self.room() > 0)
        {
            until_ns = until_ns.min(due_ns);
        }
        if let Some(overdue_ns) = self.ledger.next_overdue_ns() {
            until_ns = until_ns.min(overdue_ns.saturating_add(1));
        }
        if self.busy.is_empty() && until_ns > now_ns {
            // The event queue is a descriptor too. Its own wait is in milliseconds, which is too coarse for a schedule.
            let until = self.clock.at(until_ns);
            wait::wait(self.poll.registry(), Interest::IN, None, Some(until)).context("cannot wait")?;
        }
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            Err(error) => Err(error).context("cannot wait for events"),
        }
    }

    fn give_up_the_overdue(&mut self, now_ns: u64) -> Result<()> {
        while let Some(overdue) = self.ledger.overdue(now_ns) {
            self.waiting[overdue.flow] -= 1;
            self.fill(overdue.flow)?;
        }
        Ok(())
    }

    /// Looks after everything that has to be done now and then.
    fn tick(&mut self, now_ns: u64) -> Result<()> {
        let errors = &self.ledger.tally.errors;
        let patience_ns = if self.searches { 0 } else { self.timeout_ns };
        if errors.connect_refused > 0 && now_ns.saturating_sub(self.heard_ns) > patience_ns {
            self.plan.stop(now_ns, Ended::Failed);
        }
        self.progress.show(&self.plan, errors, now_ns);
        (0..self.flows.len()).try_for_each(|flow| self.fill(flow))
    }
}

fn register(poll: &Poll, socket: &OwnedFd, token: usize) -> Result<()> {
    poll.registry()
        .register(&mut SourceFd(&socket.as_raw_fd()), Token(token), mio::Interest::READABLE)
        .context("cannot wait for events")
}
