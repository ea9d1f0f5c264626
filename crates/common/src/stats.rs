//! From round-trip times to the summary that both clients print, as text and as JSON; nothing in here knows TCP from UDP.
//!
//! A run asks [`schedule`], or a [`plan`] for all of it, when each request is due, fills it as [`request`] says, and tells a
//! [`Tally`] what became of it: [`account`] is who owes whom, [`trouble`] what went wrong, [`times`] how long it took, [`jitter`]
//! how unevenly. [`progress`] shows how far it is, and [`report`] is the end of it.
//!
//! Every time is a whole number of nanoseconds. Under load a request counts from the moment when it was *due*: what a
//! server that stalls keeps a client from sending would otherwise never be measured ("coordinated omission").

pub mod account;
pub mod jitter;
pub mod plan;
pub mod progress;
pub mod report;
pub mod request;
pub mod schedule;
pub mod times;
pub mod trouble;

use std::time::Instant;

use report::{Ended, Head, Measured, Rate, Settings};

pub use account::{Account, Fate};
pub use jitter::Jitter;
pub use plan::Plan;
pub use progress::Progress;
pub use request::{HEAD_BYTES, Pattern, Request};
pub use schedule::Schedule;
pub use times::{Summary, Times};
pub use trouble::{Cause, Causes, Errors, Trouble};

/// Nanoseconds since a run began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// The run begins now.
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// How long it has been going on.
    pub fn ns(&self) -> u64 {
        // 2^64 nanoseconds are 584 years.
        self.0.elapsed().as_nanos() as u64
    }

    /// The moment so many nanoseconds after the beginning, or one that is as good as never.
    pub fn at(&self, ns: u64) -> Instant {
        const YEAR_NS: u64 = 365 * 24 * 3600 * 1_000_000_000;
        self.0 + std::time::Duration::from_nanos(ns.min(YEAR_NS))
    }
}

/// What has been measured so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// What became of the requests.
    pub account: Account,
    /// What went wrong, those of a warm-up included.
    pub errors: Errors,
    /// What the system said of it, where the name of an error does not say it.
    pub causes: Causes,
    /// What the user may do about it.
    pub hint: Option<&'static str>,
    /// Why the account may not be exact, whatever was counted.
    pub doubt: Option<String>,
    /// How long it took to connect.
    pub connect: Times,
    /// The replies' times from when each request was due; None: there is no schedule.
    pub from_schedule: Option<Times>,
    /// The replies' times from when each request was handed to the kernel.
    pub from_send: Times,
    /// How much those times vary from one reply to the next; None: nobody asks.
    pub jitter: Option<Jitter>,
}

impl Tally {
    /// The right reply to a request has come: in time, or not.
    #[inline]
    pub fn answered(&mut self, request: &Request, now_ns: u64, timeout_ns: u64) -> Fate {
        let took_ns = now_ns.saturating_sub(request.sent_ns);
        let fate = if took_ns <= timeout_ns { Fate::Received } else { Fate::Late };
        self.account.settle(fate);
        if let Some(jitter) = &mut self.jitter {
            jitter.record(took_ns);
        }
        if fate == Fate::Received {
            if let Some(times) = &mut self.from_schedule {
                times.record(now_ns.saturating_sub(request.due_ns));
            }
            self.from_send.record(took_ns);
        }
        fate
    }

    /// The end of the run: its report.
    pub fn report(&self, head: Head, settings: Settings, outcome: &Outcome) -> Measured {
        Measured {
            ended: outcome.ended,
            elapsed_ns: outcome.elapsed_ns,
            account: self.account,
            errors: self.errors,
            causes: self.causes.clone(),
            hint: self.hint,
            doubt: self.doubt.clone(),
            offered: outcome.offered,
            achieved: outcome.achieved,
            unsent: outcome.offered.map_or(0, |offered| offered.requests.saturating_sub(self.account.sent)),
            throughput: outcome.achieved.throughput(settings.size_bytes),
            connect: self.connect.summary(),
            from_schedule: self.from_schedule.as_ref().map(Times::summary),
            from_send: self.from_send.summary(),
            jitter_ns: self.jitter.and_then(|jitter| jitter.ns()),
            search: None,
            head,
            settings,
        }
    }
}

/// How a run went, apart from its requests.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// How long it took, without the warm-up.
    pub elapsed_ns: u64,
    /// The rate that the schedule asked for; None: there was none.
    pub offered: Option<Rate>,
    /// The rate of right replies.
    pub achieved: Rate,
}
