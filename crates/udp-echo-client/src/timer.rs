//! How long to wait for a reply before the question is sent again: the rule of Jacobson and Karels, as in RFC 6298.
//!
//! The wait (RTO) follows the round-trip times that were measured (SRTT), and how much they vary (RTTVAR); as long as there are
//! none, it is what the user says. Each time it was not long enough, it doubles.

use std::fmt;
use std::time::Duration;

/// RFC 6298 has a second, for TCP in the wide world. An echo that is asked by a person may be asked again sooner.
const SHORTEST: Duration = Duration::from_millis(200);
/// No wait is longer, measured or doubled: RFC 6298, rule 2.5, wants a minute at least. The user may wait longer.
const LONGEST: Duration = Duration::from_secs(60);

/// The retransmission timer of one server.
pub struct RetransmissionTimer {
    first: Duration,
    /// The smoothed round-trip time, and how far the times lie from it; None: none is known.
    smoothed: Option<(Duration, Duration)>,
    wait: Duration,
    /// The last time that was measured; None: the last reply says nothing, since its question was sent more than once.
    last: Option<Duration>,
}

impl RetransmissionTimer {
    /// No round-trip time is known, and the first wait is so long.
    pub fn new(first: Duration) -> RetransmissionTimer {
        RetransmissionTimer { first, smoothed: None, wait: first, last: None }
    }

    /// How long to wait now.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// The reply to a question that was sent once came after so long.
    pub fn measured(&mut self, time: Duration) {
        let (smoothed, variation) = match self.smoothed {
            None => (time, time / 2),
            Some((smoothed, variation)) => ((smoothed * 7 + time) / 8, (variation * 3 + smoothed.abs_diff(time)) / 4),
        };
        self.smoothed = Some((smoothed, variation));
        self.last = Some(time);
        // The path may be slower than the user has thought: what was measured is right.
        self.wait = (smoothed + variation * 4).clamp(SHORTEST.min(self.first), self.longest());
    }

    /// The wait was over, and nothing had come.
    pub fn timed_out(&mut self) {
        self.wait = (self.wait * 2).min(self.longest());
        self.last = None;
    }

    fn longest(&self) -> Duration {
        LONGEST.max(self.first)
    }
}

/// What it knows, in the words of RFC 6298: `round trip 0.087 ms: SRTT 0.087 ms, RTTVAR 0.044 ms, RTO 200.000 ms`.
impl fmt::Display for RetransmissionTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| format!("{:.3} ms", duration.as_secs_f64() * 1e3);
        match self.last {
            Some(last) => write!(f, "round trip {}: ", ms(last))?,
            None => write!(f, "round trip unknown, since it was sent more than once (Karn's rule): ")?,
        }
        if let Some((smoothed, variation)) = self.smoothed {
            write!(f, "SRTT {}, RTTVAR {}, ", ms(smoothed), ms(variation))?;
        }
        write!(f, "RTO {}", ms(self.wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn without_a_measurement_the_wait_doubles_up_to_a_minute() {
        let mut timer = RetransmissionTimer::new(ms(1000));
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(timer.wait().as_secs());
            timer.timed_out();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let mut patient = RetransmissionTimer::new(ms(120_000));
        patient.timed_out();
        assert_eq!(patient.wait(), ms(120_000), "the user has said so");
    }

    #[test]
    fn the_wait_follows_the_times_and_their_variation() {
        let mut timer = RetransmissionTimer::new(ms(1000));
        timer.measured(ms(100));
        assert_eq!(timer.wait(), ms(300), "100 + 4 * 50");
        timer.measured(ms(100));
        assert_eq!(timer.wait(), ms(250), "100 + 4 * 37.5");
        timer.measured(ms(180));
        // 110, and (37.5 * 3 + 80) / 4 = 48.125.
        assert_eq!(timer.wait(), Duration::from_micros(302_500));
    }

    #[test]
    fn what_it_knows_is_told_in_the_words_of_the_rfc() {
        let mut timer = RetransmissionTimer::new(ms(1000));
        timer.measured(ms(100));
        assert_eq!(timer.to_string(), "round trip 100.000 ms: SRTT 100.000 ms, RTTVAR 50.000 ms, RTO 300.000 ms");
        timer.timed_out();
        assert_eq!(
            timer.to_string(),
            "round trip unknown, since it was sent more than once (Karn's rule): SRTT 100.000 ms, RTTVAR 50.000 ms, RTO 600.000 ms"
        );
        let mut unlucky = RetransmissionTimer::new(ms(1000));
        unlucky.timed_out();
        assert!(unlucky.to_string().ends_with("(Karn's rule): RTO 2000.000 ms"), "{unlucky}");
    }

    #[test]
    fn a_quick_network_does_not_make_it_hasty() {
        let mut timer = RetransmissionTimer::new(ms(1000));
        timer.measured(Duration::from_micros(50));
        assert_eq!(timer.wait(), ms(200));
        let mut hasty = RetransmissionTimer::new(ms(50));
        hasty.measured(Duration::from_micros(50));
        assert_eq!(hasty.wait(), ms(50));
    }

    #[test]
    fn a_path_that_is_slower_than_the_first_wait_makes_it_patient_up_to_a_minute() {
        let mut timer = RetransmissionTimer::new(ms(200));
        timer.measured(ms(300));
        assert_eq!(timer.wait(), ms(900), "300 + 4 * 150");
        timer.measured(ms(300));
        assert_eq!(timer.wait(), ms(750), "300 + 4 * 112.5");
        timer.measured(ms(300_000));
        assert_eq!(timer.wait(), ms(60_000));
        let mut patient = RetransmissionTimer::new(ms(120_000));
        patient.measured(ms(100_000));
        assert_eq!(patient.wait(), ms(120_000), "the user has said so");
    }
}
