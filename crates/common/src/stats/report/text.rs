//! A report as people read it: as ping ends, with one unit for all times.

use std::fmt::{self, Write as _};

use super::{Kind, Measured, Rate, Trial};
use crate::address::called;
use crate::stats::Summary;

/// How wide the longest bar of a histogram is.
const BAR_COLUMNS: u64 = 40;
/// A histogram over more bars than this is drawn with half of them.
const MOST_FINE_BARS: usize = 18;

/// As ping ends.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, kind) = (&self.head.target, self.head.kind);
        let name = if kind == Kind::Ping { "ping" } else { "load" };
        writeln!(f, "--- {} {name} statistics ---", called(&target.host, target.port.unwrap_or_default()))?;
        writeln!(f, "{}, time {} ms", self.account, Milliseconds(self.elapsed_ns))?;
        if kind == Kind::Load || self.errors.total() > 0 {
            writeln!(f, "errors         {}", self.errors)?;
            for (index, cause) in self.causes.iter().enumerate() {
                let name = if index == 0 { "causes" } else { "" };
                writeln!(f, "{name:<14} {} {}", cause.count, cause.cause)?;
            }
        }
        if kind == Kind::Load {
            self.rates(f)?;
        }
        // Without a connection there is nothing to wait for.
        if self.connect.count > 0 {
            times(f, "connect", &self.connect)?;
        }
        if let Some(jitter_ns) = self.jitter_ns {
            writeln!(f, "jitter         {} ms (RFC 3550)", Milliseconds(jitter_ns))?;
        }
        let Some(from_schedule) = self.from_schedule.as_ref().filter(|_| kind == Kind::Load) else {
            times(f, if kind == Kind::Ping { "round trip" } else { "from send" }, &self.from_send)?;
            return if kind == Kind::Ping { Ok(()) } else { f.write_str(&bars(&self.from_send, "from send")) };
        };
        times(f, "from schedule", from_schedule)?;
        times(f, "from send", &self.from_send)?;
        f.write_str(&bars(from_schedule, "from schedule"))
    }
}

impl Measured {
    fn rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |rate: &Rate| {
            let seconds = rate.duration_ns as f64 / 1e9;
            format!("{:.1} requests/s ({} in {seconds:.3} s)", rate.per_second.unwrap_or_default(), rate.requests)
        };
        match &self.offered {
            Some(offered) => writeln!(f, "offered        {}, {} not sent", show(offered), self.unsent)?,
            None => writeln!(f, "offered        as many as come back; --rate keeps to a schedule, as users do")?,
        }
        writeln!(f, "achieved       {}", show(&self.achieved))?;
        let bytes = self.throughput.bytes_per_second.unwrap_or_default();
        writeln!(f, "throughput     {:.3} MB/s each way", bytes as f64 / 1e6)
    }
}

/// `tried            1000 requests/s: 0 of 1000 missing`
impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, missing, offered) = (self.rate_per_second, self.missing, self.offered);
        let verdict = if self.passed { "" } else { ": too many" };
        let requests = if rate == 1 { "request" } else { "requests" };
        write!(f, "tried          {rate:>9} {requests}/s: {missing} of {offered} missing{verdict}")
    }
}

/// Two lines on some durations.
fn times(f: &mut fmt::Formatter<'_>, name: &str, of: &Summary) -> fmt::Result {
    let (Some(min), Some(mean), Some(max), Some(stddev)) = (of.min_ns, of.mean_ns, of.max_ns, of.stddev_ns) else {
        return writeln!(f, "{name:<14} nothing to tell");
    };
    let line = [min, mean, max, stddev].map(|ns| Milliseconds(ns).to_string()).join("/");
    writeln!(f, "{name:<14} min/avg/max/stddev = {line} ms")?;
    let percentiles = [of.p50_ns, of.p90_ns, of.p99_ns, of.p99_9_ns];
    let line = percentiles.map(|ns| Milliseconds(ns.unwrap_or_default()).to_string()).join("/");
    writeln!(f, "{:<14} p50/p90/p99/p99.9  = {line} ms", "")
}

/// A histogram of `#`, a line for each bar from the first to the last that has anything.
fn bars(of: &Summary, name: &str) -> String {
    let fine = of.histogram.len() <= MOST_FINE_BARS;
    let mut rows: Vec<(u64, u64)> = Vec::new();
    for bar in &of.histogram {
        let from = if fine { bar.from_ns } else { coarser(bar.from_ns) };
        match rows.last_mut().filter(|(last, _)| *last == from) {
            Some((_, count)) => *count += bar.count,
            None => rows.push((from, bar.count)),
        }
    }
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let mut text = String::new();
    for (from, count) in rows {
        // What has occurred is seen, however rare.
        let columns = (count as f64 * BAR_COLUMNS as f64 / most as f64).ceil() as usize;
        let share = count as f64 * 100.0 / of.count as f64;
        let from = Milliseconds(from).to_string();
        let _ = writeln!(text, "{from:>13} ms  {:<40}  {share:6.2} % {count:>10}", "#".repeat(columns));
    }
    if text.is_empty() { text } else { format!("histogram      {name}, each line from so many ms on\n{text}") }
}

/// 1, 2 and 5 times a power of ten, from the finer steps between them.
fn coarser(from_ns: u64) -> u64 {
    let power = 10u64.pow(from_ns.max(1).ilog10());
    let step = [5, 2, 1].into_iter().find(|step| step * power <= from_ns).unwrap_or(0);
    step * power
}

/// Nanoseconds as milliseconds, to a microsecond: one unit for all.
pub struct Milliseconds(pub u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = (self.0 + 500) / 1000;
        write!(f, "{}.{:03}", microseconds / 1000, microseconds % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Times;

    #[test]
    fn milliseconds_have_three_decimals() {
        let shown = [0, 499, 500, 45_000, 1_234_567, 12_345_678_901].map(|ns| Milliseconds(ns).to_string());
        assert_eq!(shown, ["0.000", "0.000", "0.001", "0.045", "1.235", "12345.679"]);
    }

    #[test]
    fn a_histogram_shows_what_is_rare_and_no_more_lines_than_fit() {
        let mut times = Times::default();
        (0..10_000).for_each(|_| times.record(45_000));
        times.record(120_000);
        let text = bars(&times.summary(), "from send");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "        0.030 ms  ########################################   99.99 %      10000");
        assert!(lines[2].starts_with("        0.100 ms  #     "), "{text}");
        (0..36).for_each(|power| times.record(1 << power));
        assert!(bars(&times.summary(), "").lines().count() < 40);
        assert_eq!(bars(&Times::default().summary(), ""), "");
        assert_eq!([0, 10, 15, 20, 30, 50, 70].map(coarser), [0, 10, 10, 20, 20, 50, 50]);
    }
}
