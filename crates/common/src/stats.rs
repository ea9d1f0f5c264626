//! From round-trip times to the summary that both clients print, as text and as JSON; nothing in here knows TCP from UDP.
//!
//! A run asks [`schedule`] when each request is due, fills it as [`request`] says, and tells a [`Tally`] what became of it:
//! [`account`] is who owes whom, [`times`] how long it took. [`report`] is the end of it.
//!
//! Every time is a whole number of nanoseconds. Under load a request counts from the moment when it was *due*: what a
//! server that stalls keeps a client from sending would otherwise never be measured ("coordinated omission").

pub mod account;
pub mod report;
pub mod request;
pub mod schedule;
pub mod times;

use std::time::Instant;

pub use account::{Account, Errors, Fate, Trouble};
pub use request::{Pattern, Request};
pub use schedule::Schedule;
pub use times::{Summary, Times};

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
    /// How long it took to connect.
    pub connect: Times,
    /// The replies' times from when each request was due.
    pub from_schedule: Times,
    /// The replies' times from when each request was handed to the kernel.
    pub from_send: Times,
}

impl Tally {
    /// The reply to a request has come, and is right and in time.
    #[inline]
    pub fn received(&mut self, request: &Request, now_ns: u64) {
        self.account.settle(Fate::Received);
        self.from_schedule.record(now_ns.saturating_sub(request.due_ns));
        self.from_send.record(now_ns.saturating_sub(request.sent_ns));
    }
}
