//! How unevenly replies come: the interarrival jitter of RFC 3550, section 6.4.1, by the arithmetic of its appendix A.8.

/// The jitter of a series of transit times. A round trip will do for one: the sender's clock is the receiver's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jitter {
    last_ns: Option<u64>,
    /// In sixteenths, so that nothing is lost to rounding.
    sixteenths: u64,
}

impl Jitter {
    /// The next one, in the order of arrival.
    pub fn record(&mut self, transit_ns: u64) {
        if let Some(last_ns) = self.last_ns.replace(transit_ns) {
            self.sixteenths += transit_ns.abs_diff(last_ns);
            self.sixteenths -= (self.sixteenths - transit_ns.abs_diff(last_ns) + 8) >> 4;
        }
    }

    /// The jitter; None: it takes two.
    pub fn ns(&self) -> Option<u64> {
        self.last_ns.map(|_| self.sixteenths >> 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: impl IntoIterator<Item = u64>) -> Option<u64> {
        let mut jitter = Jitter::default();
        times.into_iter().for_each(|ns| jitter.record(ns));
        jitter.ns()
    }

    #[test]
    fn even_times_have_none_and_uneven_ones_approach_their_difference() {
        assert_eq!(of([]), None);
        assert_eq!(of([5_000; 100]), Some(0));
        // J += (|D| - J) / 16: a sixteenth of the first difference, and in the end all of it.
        assert_eq!(of([1_000, 17_000]), Some(1_000));
        let swing = of((0..1000).map(|index| 100_000 + index % 2 * 8_000)).unwrap();
        assert!((7_990..=8_000).contains(&swing), "{swing}");
    }
}
