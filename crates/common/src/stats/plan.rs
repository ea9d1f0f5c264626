//! Which request is next, and whether it counts: warm-up, duration, count and rate in one place.

use super::report::{Ended, Rate};
use super::{Request, Schedule};

/// The plan of a run. Times are nanoseconds since its beginning.
pub struct Plan {
    /// None: a request is due as soon as a connection is free for it.
    schedule: Option<Schedule>,
    /// Requests that are due earlier don't count.
    warmup_ns: u64,
    /// Requests that are due then or later are not sent.
    end_ns: u64,
    /// So many are sent that count.
    count: u64,
    /// With a schedule: so many are sent in all.
    last: u64,
    /// How many were sent, and how many of them count.
    issued: u64,
    counted: u64,
    stopped: Option<Ended>,
    /// How many right replies that count have come by the end, and when the last of them.
    arrived: u64,
    last_arrival_ns: u64,
}

impl Plan {
    /// A plan that begins now; None: no bound.
    pub fn new(rate: Option<u32>, warmup_ns: u64, duration_ns: Option<u64>, count: Option<u64>) -> Plan {
        let schedule = rate.map(Schedule::per_second);
        let end_ns = duration_ns.map_or(u64::MAX, |duration_ns| warmup_ns.saturating_add(duration_ns));
        let count = count.unwrap_or(u64::MAX);
        let last = schedule.map_or(u64::MAX, |schedule| {
            schedule.due_before(end_ns).min(schedule.due_before(warmup_ns).saturating_add(count))
        });
        Plan {
            schedule,
            warmup_ns,
            end_ns,
            count,
            last,
            issued: 0,
            counted: 0,
            stopped: None,
            arrived: 0,
            last_arrival_ns: warmup_ns,
        }
    }

    /// The next request, if it is due and may be sent.
    #[inline]
    pub fn next(&mut self, now_ns: u64) -> Option<Request> {
        let due_ns = match &self.schedule {
            Some(schedule) if self.issued < self.last => schedule.due_ns(self.issued),
            None if !self.is_over(now_ns) => now_ns,
            _ => return None,
        };
        if due_ns > now_ns {
            return None;
        }
        let request = Request { sequence: self.issued, due_ns, sent_ns: now_ns };
        self.issued += 1;
        self.counted += u64::from(self.counts(&request));
        Some(request)
    }

    /// Whether a request is more than warm-up.
    #[inline]
    pub fn counts(&self, request: &Request) -> bool {
        request.due_ns >= self.warmup_ns
    }

    /// Whether the last request is sent. A schedule is over only when it is [closed](Self::close).
    pub fn is_over(&self, now_ns: u64) -> bool {
        match self.schedule {
            Some(_) => self.issued >= self.last,
            None => self.counted >= self.count || now_ns >= self.end_ns,
        }
    }

    /// Whether no request will become due any more.
    pub fn is_past(&self, now_ns: u64) -> bool {
        now_ns >= self.end_ns
    }

    /// How much of the time is left in which requests could become due, though there may be none any more; nothing, if it is
    /// not the time that ends the run.
    pub fn left_ns(&self, now_ns: u64) -> u64 {
        if self.ended() == Ended::Duration { self.end_ns.saturating_sub(now_ns) } else { 0 }
    }

    /// What was due and could not be sent until now never will be.
    pub fn close(&mut self) {
        self.last = self.issued;
    }

    /// When the next request is due; None: as soon as a connection is free for it.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.due_ns(0)
    }

    /// With a schedule, when the request is due that has so many before it which are not sent yet.
    pub fn due_ns(&self, ahead: u64) -> Option<u64> {
        self.schedule.map(|schedule| schedule.due_ns(self.issued.saturating_add(ahead)))
    }

    /// With a schedule, how many requests are still to be sent.
    pub fn left(&self) -> u64 {
        self.last - self.issued
    }

    /// How many requests are due and not sent: so many [`Self::next`] will give.
    pub fn backlog(&self, now_ns: u64) -> u64 {
        self.schedule.map_or(0, |schedule| schedule.due_by(now_ns).min(self.last).saturating_sub(self.issued))
    }

    /// From now on nothing more is sent.
    pub fn stop(&mut self, now_ns: u64, why: Ended) {
        if self.stopped.is_none() && (!self.is_over(now_ns) || self.left_ns(now_ns) > 0) {
            self.stopped = Some(why);
            // What is sent at this moment still counts.
            self.end_ns = (now_ns + 1).max(self.warmup_ns);
            self.count = self.counted;
            self.close();
        }
    }

    /// The right reply to a request that counts has come.
    #[inline]
    pub fn arrived(&mut self, now_ns: u64) {
        if now_ns <= self.end_ns {
            self.arrived += 1;
            self.last_arrival_ns = now_ns;
        }
    }

    /// How many right replies that count have come.
    pub fn arrivals(&self) -> u64 {
        self.arrived
    }

    /// Why the run has ended.
    pub fn ended(&self) -> Ended {
        let reached = if self.counted >= self.count { Ended::Count } else { Ended::Duration };
        self.stopped.unwrap_or(reached)
    }

    /// How far a run is that ends by itself: of so many steps so many.
    pub fn progress(&self, now_ns: u64) -> (u64, u64) {
        if self.count == u64::MAX { (now_ns.min(self.end_ns), self.end_ns) } else { (self.counted, self.count) }
    }

    /// The rate that the schedule has asked for.
    pub fn offered(&self) -> Option<Rate> {
        let schedule = self.schedule?;
        let first = schedule.due_before(self.warmup_ns);
        let by_count = first.saturating_add(self.count);
        if self.ended() == Ended::Count {
            return Some(Rate::of(self.count, schedule.due_ns(by_count).saturating_sub(self.warmup_ns)));
        }
        let due = schedule.due_before(self.end_ns).saturating_sub(first);
        Some(Rate::of(due, self.end_ns - self.warmup_ns))
    }

    /// The rate at which right replies have come: until the time was over, or until the last of them.
    pub fn achieved(&self) -> Rate {
        let end_ns = if self.ended() == Ended::Count { self.last_arrival_ns } else { self.end_ns };
        Rate::of(self.arrived, end_ns - self.warmup_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn in_a_closed_loop_a_request_is_due_when_there_is_room_for_it() {
        let mut plan = Plan::new(None, 100, Some(1000), None);
        let (warmup, first) = (plan.next(7).unwrap(), plan.next(100).unwrap());
        assert_eq!((warmup.due_ns, plan.counts(&warmup)), (7, false));
        assert_eq!((first.due_ns, first.sequence, plan.counts(&first)), (100, 1, true));
        assert_eq!(plan.next(1100), None);
        assert!(plan.is_over(1100) && plan.ended() == Ended::Duration && plan.offered().is_none());
    }

    #[test]
    fn in_an_open_loop_a_late_request_keeps_the_moment_when_it_was_due() {
        let mut plan = Plan::new(Some(1000), 0, None, Some(3));
        assert_eq!(plan.next(0).map(|request| request.due_ns), Some(0));
        assert_eq!(plan.next(999_999), None);
        assert_eq!((plan.next_due_ns(), plan.backlog(5_000_000)), (Some(1_000_000), 2));
        assert_eq!((plan.due_ns(1), plan.left()), (Some(2_000_000), 2));
        assert_eq!(plan.next(5_000_000), Some(Request { sequence: 1, due_ns: 1_000_000, sent_ns: 5_000_000 }));
        assert!(!plan.is_over(5_000_000));
        assert_eq!(plan.next(6_000_000).map(|request| request.due_ns), Some(2_000_000));
        assert!(plan.is_over(6_000_000) && plan.next(7_000_000).is_none());
        assert_eq!(plan.offered().unwrap().per_second, Some(1000.0));
        assert_eq!((plan.ended(), plan.offered().unwrap().requests), (Ended::Count, 3));
    }

    #[test]
    fn what_was_due_and_not_sent_is_told() {
        let mut plan = Plan::new(Some(1000), 0, Some(1_000_000_000), None);
        assert!(plan.next(500_000_000).is_some());
        plan.close();
        assert_eq!((plan.next(1_000_000_000), plan.backlog(1_000_000_000)), (None, 0));
        assert_eq!((plan.offered().unwrap().requests, plan.counted), (1000, 1));
    }

    #[test]
    fn a_schedule_of_a_time_takes_that_time_unless_it_is_stopped() {
        let mut plan = Plan::new(Some(1), 0, Some(500), None);
        assert!(plan.next(0).is_some() && plan.is_over(0));
        assert_eq!((plan.left_ns(0), plan.left_ns(499), plan.left_ns(501), plan.ended()), (500, 1, 0, Ended::Duration));
        plan.stop(100, Ended::Signal);
        assert_eq!((plan.left_ns(100), plan.ended()), (0, Ended::Signal));
        let mut plan = Plan::new(Some(1_000_000_000), 0, Some(500), Some(1));
        assert!(plan.next(0).is_some() && plan.is_over(0));
        assert_eq!((plan.left_ns(0), plan.ended()), (0, Ended::Count));
    }

    proptest! {
        #[test]
        fn no_more_is_sent_than_is_offered(
            rate in prop::option::of(1u32..100_000), warmup_ns in 0u64..50_000_000, duration_ns in 1u64..50_000_000,
            count in prop::option::of(1u64..50), steps in prop::collection::vec(0u64..10_000_000, 0..60),
            stops in prop::option::of(0usize..60),
        ) {
            let mut plan = Plan::new(rate, warmup_ns, Some(duration_ns), count);
            let (mut now_ns, mut sent) = (0, 0);
            for (index, step) in steps.iter().enumerate() {
                now_ns += step;
                if stops == Some(index) {
                    plan.stop(now_ns, Ended::Signal);
                }
                let backlog = plan.backlog(now_ns);
                let next = plan.next(now_ns);
                prop_assert!(rate.is_none() || (backlog > 0) == next.is_some());
                if let Some(request) = next {
                    prop_assert!(request.due_ns <= now_ns);
                    if plan.counts(&request) {
                        sent += 1;
                        plan.arrived(now_ns);
                    }
                }
            }
            plan.stop(now_ns, Ended::Failed);
            prop_assert!(count.is_none_or(|count| sent <= count));
            if let Some(offered) = plan.offered() {
                prop_assert!(offered.requests >= sent && (plan.ended() != Ended::Count || offered.requests == sent));
            }
            prop_assert!(plan.achieved().requests <= sent);
        }
    }
}
