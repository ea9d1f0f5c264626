//! The probes of a ping: sending each when it is due, and telling what becomes of it.

use anyhow::{Context, Result};
use common::address::Address;
use common::berkeley::{recv, recvfrom, send};
use common::measure::{GRACE, ns};
use common::screen::bytes;
use common::signal::Stop;
use common::stats::report::{Ended, Milliseconds, Rate};
use common::stats::{Clock, Jitter, Outcome, Request, Schedule, Tally, Times};
use common::wait::{Interest, Wake, wait_for_any};
use common::{Errno, exit, screen};

use super::Options;
use crate::flow::{Flow, LARGEST_REPLY_BYTES};
use crate::ledger::{Arrival, Kind, Ledger, patience_ns};
use crate::unreachable::is_unreachable;

/// The one flow of a ping.
const FLOW: usize = 0;

/// The probes of a run.
pub struct Probes<'a> {
    options: &'a Options,
    stop: &'a Stop,
    peer: Address,
    flow: Flow,
    clock: Clock,
    schedule: Schedule,
    timeout_ns: u64,
    end_ns: u64,
    count: u64,
    ledger: Ledger,
    /// The place in the schedule of the next probe. Those that were missed are not made up for: ping never hurries.
    slot: u64,
    data: Vec<u8>,
    /// Lines for people; not with --json.
    says_more: bool,
    /// Nobody reads stdout any more.
    is_unread: bool,
}

impl<'a> Probes<'a> {
    /// The clock starts.
    pub fn new(options: &'a Options, peer: Address, flow: Flow, stop: &'a Stop) -> Probes<'a> {
        let common = &options.measure;
        let timeout_ns = ns(common.timeout);
        let tally =
            Tally { from_schedule: Some(Times::default()), jitter: Some(Jitter::default()), ..Tally::default() };
        Probes {
            options,
            stop,
            peer,
            flow,
            clock: Clock::start(),
            schedule: Schedule::every(options.interval),
            timeout_ns,
            end_ns: options.deadline.map_or(u64::MAX, ns),
            count: options.count.unwrap_or(u64::MAX),
            ledger: Ledger::new(common.size, common.prefix.clone(), timeout_ns, 1, tally),
            slot: 0,
            data: vec![0; LARGEST_REPLY_BYTES],
            says_more: !common.json,
            is_unread: false,
        }
    }

    /// Sends a probe when one is due, tells what comes back, and gives the last replies their time.
    ///
    /// Errors: stdout can't be written; the socket is broken.
    pub fn until_the_end(&mut self) -> Result<Outcome> {
        let stop = self.stop;
        let ended = self.probe_until_the_end(stop)?;
        let offered = Some(Rate::of(self.slot, self.clock.ns()));
        self.wait_for_the_last(ended, stop)?;
        let elapsed_ns = self.clock.ns();
        if ended != Ended::Signal {
            self.linger(elapsed_ns, stop)?;
        }
        self.ledger.close();
        let achieved = Rate::of(self.ledger.tally.account.received, elapsed_ns);
        Ok(Outcome { ended, elapsed_ns, offered, achieved })
    }

    /// `close`. What has been measured remains.
    pub fn close(self) -> Tally {
        self.flow.close();
        self.ledger.tally
    }

    fn probe_until_the_end(&mut self, stop: &Stop) -> Result<Ended> {
        loop {
            let now_ns = self.clock.ns();
            if stop.is_asked() || self.is_unread {
                return Ok(Ended::Signal);
            } else if now_ns >= self.end_ns {
                return Ok(Ended::Duration);
            } else if self.ledger.tally.account.sent == self.count {
                return Ok(Ended::Count);
            }
            let due_ns = self.schedule.due_ns(self.slot);
            if due_ns <= now_ns {
                self.probe(due_ns)?;
                self.slot = self.schedule.due_by(now_ns).max(self.slot + 1);
            } else {
                self.listen(Some(stop), due_ns.min(self.end_ns))?;
            }
        }
    }

    /// Gives the last replies their time, and once more the same, for those that are late; a second at least.
    fn wait_for_the_last(&mut self, ended: Ended, stop: &Stop) -> Result<()> {
        let now_ns = self.clock.ns();
        let (stop, patience_ns) = match ended {
            Ended::Signal => (None, self.timeout_ns.min(ns(GRACE))),
            _ => (Some(stop), patience_ns(self.timeout_ns)),
        };
        let until_ns = now_ns.saturating_add(patience_ns).min(self.end_ns);
        while self.ledger.tally.account.open() > 0 && self.clock.ns() < until_ns && !stop.is_some_and(Stop::is_asked) {
            self.listen(stop, until_ns)?;
        }
        Ok(())
    }

    /// Each probe has its fate; but a second reply to one of the last may still come.
    fn linger(&mut self, settled_ns: u64, stop: &Stop) -> Result<()> {
        loop {
            let until_ns = self.ledger.linger_until_ns(settled_ns).min(self.end_ns);
            if self.clock.ns() >= until_ns || stop.is_asked() || self.is_unread {
                return Ok(());
            }
            self.listen(Some(stop), until_ns)?;
        }
    }

    /// `send`, if there is room for one more on its way.
    fn probe(&mut self, due_ns: u64) -> Result<()> {
        if self.ledger.waiting() >= self.options.window as usize {
            return Ok(());
        }
        let request = Request { sequence: self.ledger.tally.account.sent, due_ns, sent_ns: self.clock.ns() };
        self.ledger.send(request, FLOW, true, false);
        loop {
            let Err(errno) = send(&self.flow.socket, self.ledger.bytes(&request)) else { return Ok(()) };
            let is_about_others = is_unreachable(errno);
            // The news of an earlier probe: this one has not been sent yet.
            let told = self.hear_news(is_about_others.then_some(errno))?;
            if is_about_others && told {
                continue;
            }
            if self.ledger.not_sent(&request, errno) {
                self.tell_news(&request, errno)?;
            }
            return Ok(());
        }
    }

    /// Waits for replies, but not for longer than `until_ns`, and does what has to be done when one has come or is overdue.
    fn listen(&mut self, stop: Option<&Stop>, until_ns: u64) -> Result<()> {
        let overdue_ns = self.ledger.next_overdue_ns().map_or(u64::MAX, |ns| ns.saturating_add(1));
        let until = self.clock.at(until_ns.min(overdue_ns));
        let wake = wait_for_any(&self.flow.sockets(), stop, Some(until)).context("cannot wait")?;
        if let Wake::Ready(ready) = wake {
            if ready.contains(Interest::ERR) {
                self.hear_news(None)?;
            }
            self.receive()?;
            self.receive_from_strangers()?;
        }
        let now_ns = self.clock.ns();
        while let Some(overdue) = self.ledger.overdue(now_ns) {
            let timeout = humantime::format_duration(self.options.measure.timeout);
            self.say(&format!("no reply to seq={} within {timeout}", overdue.request.sequence))?;
        }
        Ok(())
    }

    /// `recv`, until there is nothing more.
    fn receive(&mut self) -> Result<()> {
        loop {
            match recv(&self.flow.socket, &mut self.data) {
                Ok(length) => {
                    let now_ns = self.clock.ns();
                    let arrival = self.ledger.judge(&self.data[..length], FLOW, now_ns);
                    self.tell(&arrival, length, now_ns)?;
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) if is_unreachable(errno) || errno == Errno::MSGSIZE => drop(self.hear_news(Some(errno))?),
                Err(errno) => return Err(errno).with_context(|| format!("cannot receive from {}", self.peer)),
            }
        }
    }

    /// `recvfrom`, on the socket where the wrong ones come in.
    fn receive_from_strangers(&mut self) -> Result<()> {
        while let Some(strangers) = &self.flow.strangers
            && let Ok((length, from)) = recvfrom(strangers, &mut self.data)
        {
            match self.ledger.judge_strangers(&self.data[..length]) {
                Some(request) => {
                    self.say(&format!("{} from {from}, which was not asked: seq={}", bytes(length), request.sequence))?
                }
                None => self.say(&format!("{} from {from}: no reply to anything", bytes(length)))?,
            }
        }
        Ok(())
    }

    /// Takes what the network has to say of datagrams that were sent: from the error queue, where there is one. `errno` is what
    /// a call has returned of it. False: there was nothing.
    fn hear_news(&mut self, errno: Option<Errno>) -> Result<bool> {
        let mut told = false;
        #[cfg(target_os = "linux")]
        while let Ok(news) =
            common::error_queue::take(&self.flow.socket, &mut self.data[..crate::flow::LARGEST_DATAGRAM_BYTES])
        {
            told = true;
            self.ledger.learn_mtu(news.mtu);
            // Of a datagram that was too large for this machine already, nothing is there.
            if let Some((request, _)) = self.ledger.sent_back(Some(&self.data[..news.length]), FLOW, news.errno) {
                self.tell_news(&request, news.errno)?;
            }
        }
        if let (false, Some(errno)) = (told, errno)
            && let Some((request, _)) = self.ledger.sent_back(None, FLOW, errno)
        {
            told = true;
            self.tell_news(&request, errno)?;
        }
        Ok(told)
    }

    fn tell_news(&mut self, request: &Request, errno: Errno) -> Result<()> {
        let (sequence, peer, mtu) = (request.sequence, &self.peer, self.ledger.mtu());
        let cause = exit::plain(errno);
        let line = match errno {
            Errno::CONNREFUSED => format!("seq={sequence} refused: nobody listens at {peer}"),
            Errno::MSGSIZE if mtu > 0 => {
                format!("seq={sequence} not sent: {cause}: at most {mtu} bytes with all headers go to {peer} at once")
            }
            errno if is_unreachable(errno) => format!("seq={sequence} does not reach {peer}: {cause}"),
            _ => format!("seq={sequence} not sent: {cause}"),
        };
        self.say(&line)
    }

    fn tell(&mut self, arrival: &Arrival, length: usize, now_ns: u64) -> Result<()> {
        let (size, peer) = (bytes(self.options.measure.size), &self.peer);
        let (which, time) = match arrival.request {
            Some(request) => {
                let time = Milliseconds(now_ns.saturating_sub(request.sent_ns));
                (format!("seq={}", request.sequence), format!(" time={time} ms"))
            }
            None => ("its seq can't be told".to_owned(), String::new()),
        };
        let answer = |more: &str| format!("{size} from {peer}: {which}{time}{more}");
        let line = match arrival.kind {
            Kind::Answer { late: false, out_of_order: false } => answer(""),
            Kind::Answer { late: true, out_of_order: false } => answer(" (late)"),
            Kind::Answer { late: false, out_of_order: true } => answer(" (out of order)"),
            Kind::Answer { late: true, out_of_order: true } => answer(" (late, out of order)"),
            Kind::Duplicate => answer(" (duplicate)"),
            Kind::Corrupt => format!("corrupt reply from {peer}: {which}"),
            Kind::Truncated(length) => format!("{length} of {size} from {peer}: {which} (truncated)"),
            Kind::Stray if arrival.request.is_none() => format!("{} from {peer}: no reply to anything", bytes(length)),
            Kind::Stray => format!("a reply to somebody else from {peer}: {which}"),
        };
        self.say(&line)
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
