//! Many durations, and what is said of them: the least, the mean, the greatest, how they scatter, and percentiles.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The histogram tells longer ones from each other no more; the greatest and the mean stay exact.
const LONGEST_NS: u64 = 3600 * 1_000_000_000;
/// Two durations that differ by a thousandth are told apart.
const DIGITS: u8 = 3;
/// Where the bars of a histogram begin, in each power of ten: the same for every run, so that runs can be compared.
const BAR_TENTHS: [u64; 6] = [10, 15, 20, 30, 50, 70];

/// Durations, of which only their distribution is kept.
#[derive(Clone, Debug)]
pub struct Times {
    histogram: Histogram<u64>,
    count: u64,
    least_ns: u64,
    greatest_ns: u64,
    sum: u128,
    sum_of_squares: u128,
}

impl Default for Times {
    fn default() -> Times {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("bounds that a histogram can have");
        Times { histogram, count: 0, least_ns: u64::MAX, greatest_ns: 0, sum: 0, sum_of_squares: 0 }
    }
}

impl Times {
    /// One more.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns);
        self.count += 1;
        self.least_ns = self.least_ns.min(ns);
        self.greatest_ns = self.greatest_ns.max(ns);
        self.sum += u128::from(ns);
        self.sum_of_squares = self.sum_of_squares.saturating_add(u128::from(ns) * u128::from(ns));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What is said of them.
    pub fn summary(&self) -> Summary {
        let some = |ns: u64| (self.count > 0).then_some(ns);
        // The histogram answers with the end of a bar, which may lie beyond what has occurred.
        let percentile = |share: f64| {
            some(self.histogram.value_at_quantile(share)).map(|ns| ns.max(self.least_ns).min(self.greatest_ns))
        };
        Summary {
            count: self.count,
            min_ns: some(self.least_ns),
            mean_ns: self.sum.checked_div(u128::from(self.count)).map(|mean| mean as u64),
            max_ns: some(self.greatest_ns),
            stddev_ns: some(self.deviation()),
            p50_ns: percentile(0.5),
            p90_ns: percentile(0.9),
            p99_ns: percentile(0.99),
            p99_9_ns: percentile(0.999),
            histogram: self.bars(),
        }
    }

    fn deviation(&self) -> u64 {
        let count = self.count as f64;
        let mean = self.sum as f64 / count;
        // What rounding makes negative is nothing; and so is NaN, as a number.
        (self.sum_of_squares as f64 / count - mean * mean).max(0.0).sqrt().round() as u64
    }

    fn bars(&self) -> Vec<Bar> {
        let mut bars: Vec<Bar> = Vec::new();
        for value in self.histogram.iter_recorded() {
            let (from_ns, below_ns) = bar_around(self.histogram.lowest_equivalent(value.value_iterated_to()));
            match bars.last_mut().filter(|last| last.from_ns == from_ns) {
                Some(last) => last.count += value.count_since_last_iteration(),
                None => bars.push(Bar { from_ns, below_ns, count: value.count_since_last_iteration() }),
            }
        }
        bars
    }
}

/// The bar that a duration belongs to: from 1, 1.5, 2, 3, 5 or 7 times a power of ten to the next.
fn bar_around(ns: u64) -> (u64, u64) {
    if ns < 10 {
        return (0, 10);
    }
    let power = 10u64.pow(ns.ilog10() - 1);
    let at = BAR_TENTHS.iter().rposition(|&tenths| tenths * power <= ns).unwrap_or(0);
    let next = BAR_TENTHS.get(at + 1).copied().unwrap_or(100);
    (BAR_TENTHS[at] * power, next.saturating_mul(power))
}

/// What is said of many durations: None where there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many there are.
    pub count: u64,
    /// The least.
    pub min_ns: Option<u64>,
    /// The arithmetic mean, rounded down.
    pub mean_ns: Option<u64>,
    /// The greatest.
    pub max_ns: Option<u64>,
    /// The standard deviation of all of them (ping's `mdev`).
    pub stddev_ns: Option<u64>,
    /// Half of them are no longer.
    pub p50_ns: Option<u64>,
    /// Nine in ten are no longer.
    pub p90_ns: Option<u64>,
    /// 99 in a hundred are no longer.
    pub p99_ns: Option<u64>,
    /// 999 in a thousand are no longer.
    pub p99_9_ns: Option<u64>,
    /// How they are distributed; bars with nothing in them are left out.
    pub histogram: Vec<Bar>,
}

/// How many durations there are from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// The shortest that belong here.
    pub from_ns: u64,
    /// Those that belong here are shorter.
    pub below_ns: u64,
    /// How many there are.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Summary {
        let mut times = Times::default();
        values.iter().for_each(|&ns| times.record(ns));
        times.summary()
    }

    #[test]
    fn of_nothing_nothing_is_said() {
        let json = serde_json::to_value(of(&[])).unwrap();
        assert_eq!(json["count"], 0);
        for name in ["min_ns", "mean_ns", "max_ns", "stddev_ns", "p50_ns", "p90_ns", "p99_ns", "p99_9_ns"] {
            assert!(json[name].is_null(), "{name}");
        }
    }

    #[test]
    fn the_mean_and_the_scatter_are_those_of_the_textbook() {
        let summary = of(&[2_000, 4_000, 4_000, 4_000, 5_000, 5_000, 7_000, 9_000]);
        assert_eq!((summary.mean_ns, summary.stddev_ns), (Some(5_000), Some(2_000)));
        assert_eq!((summary.min_ns, summary.max_ns, summary.count), (Some(2_000), Some(9_000), 8));
        let one = of(&[1_234_567]);
        assert_eq!(
            (one.min_ns, one.p50_ns, one.p99_9_ns, one.stddev_ns),
            (one.max_ns, one.max_ns, one.max_ns, Some(0))
        );
    }

    #[test]
    fn a_day_is_counted_though_the_histogram_ends_at_an_hour() {
        let day_ns = 24 * 3600 * 1_000_000_000;
        let summary = of(&[1_000, day_ns]);
        assert_eq!((summary.count, summary.max_ns), (2, Some(day_ns)));
        assert_eq!(summary.histogram.iter().map(|bar| bar.count).sum::<u64>(), 2);
    }

    #[test]
    fn bars_begin_at_round_numbers_and_leave_no_gap() {
        for (ns, bar) in [(0, (0, 10)), (10, (10, 15)), (14, (10, 15)), (99, (70, 100)), (45_000, (30_000, 50_000))] {
            assert_eq!(bar_around(ns), bar, "{ns}");
        }
        let (mut edge, mut bars) = (0, 0);
        while edge < LONGEST_NS {
            assert_eq!(bar_around(edge).0, edge);
            (edge, bars) = (bar_around(edge).1, bars + 1);
        }
        assert!(bars < 100);
    }

    proptest! {
        #[test]
        fn percentiles_are_right_to_a_thousandth(mut values in prop::collection::vec(1u64..10_000_000_000, 1..300)) {
            let summary = of(&values);
            values.sort_unstable();
            for (share, got) in [(0.5, summary.p50_ns), (0.9, summary.p90_ns), (0.99, summary.p99_ns), (0.999, summary.p99_9_ns)] {
                let rank = (share * values.len() as f64).ceil().max(1.0) as usize;
                let right = values[rank - 1] as f64;
                prop_assert!((got.unwrap() as f64 - right).abs() <= right / 1000.0 + 1.0, "{share}: {got:?}, not {right}");
            }
            prop_assert!(summary.min_ns <= summary.p50_ns && summary.p99_9_ns <= summary.max_ns);
            prop_assert_eq!(summary.histogram.iter().map(|bar| bar.count).sum::<u64>(), summary.count);
            // To a thousandth, too: what is hardly more than a bar's end may be counted below it.
            let first = &summary.histogram[0];
            prop_assert!(first.from_ns <= values[0] && values[0] - values[0] / 1000 <= first.below_ns);
        }
    }
}
