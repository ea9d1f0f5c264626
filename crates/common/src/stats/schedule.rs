//! When requests are due: on a fixed schedule, which doesn't wait for replies.

use std::time::Duration;

/// Request number `n` is due `n` intervals after the beginning, whatever has become of those before. Nothing is added up, so
/// nothing drifts, and a backlog needs no memory: it is the difference of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// So many requests...
    requests: u64,
    /// ...in so many nanoseconds.
    ns: u64,
}

impl Schedule {
    /// A request each `interval`, which is more than nothing.
    pub fn every(interval: Duration) -> Schedule {
        Schedule { requests: 1, ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1) }
    }

    /// So many requests a second, at least one.
    pub fn per_second(requests: u32) -> Schedule {
        Schedule { requests: u64::from(requests.max(1)), ns: 1_000_000_000 }
    }

    /// When request number `index` is due, in nanoseconds since the beginning; the first one, 0, is due at once.
    pub fn due_ns(&self, index: u64) -> u64 {
        let ns = u128::from(index) * u128::from(self.ns) / u128::from(self.requests);
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// How many are due before `end_ns`.
    pub fn due_before(&self, end_ns: u64) -> u64 {
        let count = (u128::from(end_ns) * u128::from(self.requests)).div_ceil(u128::from(self.ns));
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// How many are due by now, at `now_ns` included.
    pub fn due_by(&self, now_ns: u64) -> u64 {
        self.due_before(now_ns.saturating_add(1))
    }
}

/// Asks the kernel to wake this thread when it is time. Without this Linux may be 50 us late, to wake several threads at
/// once, and that would be counted as the server's time. See PR_SET_TIMERSLACK in prctl(2).
pub fn be_punctual() {
    // Where it isn't possible, the report tells by how much requests were late.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_is_due_at_once_and_the_others_at_even_distances() {
        let schedule = Schedule::per_second(3);
        assert_eq!([0, 1, 2, 3].map(|index| schedule.due_ns(index)), [0, 333_333_333, 666_666_666, 1_000_000_000]);
        let schedule = Schedule::every(Duration::from_millis(200));
        assert_eq!(schedule.due_ns(5), 1_000_000_000);
        assert_eq!((schedule.due_before(0), schedule.due_by(0), schedule.due_before(1_000_000_000)), (0, 1, 5));
    }

    #[test]
    fn a_schedule_doesnt_drift_in_a_year() {
        let schedule = Schedule::per_second(7);
        assert_eq!(schedule.due_ns(7 * 365 * 24 * 3600), 365 * 24 * 3600 * 1_000_000_000);
    }

    proptest! {
        #[test]
        fn as_many_are_due_as_have_their_moment_behind_them(rate in 1u32..3_000_000, index in 0u64..1_000_000_000) {
            let schedule = Schedule::per_second(rate);
            let due = schedule.due_ns(index);
            prop_assert!(schedule.due_by(due) > index);
            prop_assert!(due == 0 || schedule.due_by(due - 1) <= index);
            prop_assert!(schedule.due_ns(schedule.due_before(due)) >= due);
        }
    }
}
