//! The end of a run: what is printed for people, and the same for tools, as one JSON document.
//!
//! `report.schema.json` in this crate's folder says what may stand in it, and tests hold the programs to that. A change that
//! would break a reader of it needs a new [`SCHEMA`].

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{Account, Errors, Summary};

/// The name and version of the JSON documents' form.
pub const SCHEMA: &str = "berkeley-report/1";

/// How wide the longest bar of a histogram is.
const BAR_COLUMNS: u64 = 40;
/// A histogram over more bars than this is drawn with half of them.
const MOST_FINE_BARS: usize = 18;

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One probe at each interval.
    Ping,
    /// Many connections or flows at once.
    Load,
    /// Whether a server does what it should.
    Check,
}

/// How a report begins: whose it is, and about whom.
#[derive(Clone, Debug, Serialize)]
pub struct Head {
    schema: &'static str,
    kind: Kind,
    program: &'static str,
    version: &'static str,
    transport: &'static str,
    target: Target,
    started_unix_ns: u64,
}

/// The server.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// As the user called it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The address that was used.
    pub address: String,
}

impl Head {
    /// The report of a run that begins now; `transport` is `tcp` or `udp`.
    pub fn new(
        kind: Kind,
        program: &'static str,
        version: &'static str,
        transport: &'static str,
        target: Target,
    ) -> Head {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_unix_ns = since.as_nanos() as u64;
        Head { schema: SCHEMA, kind, program, version, transport, target, started_unix_ns }
    }
}

/// The report of a check: point by point.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// How it begins.
    #[serde(flatten)]
    pub head: Head,
    /// How many of the points the server has passed.
    pub passed: u64,
    /// How many it has not.
    pub failed: u64,
    /// The points, in the order in which they were tested.
    pub checks: Vec<Point>,
}

/// One point of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// What the server should do.
    pub name: String,
    /// Whether it does.
    pub passed: bool,
    /// What happened.
    pub detail: String,
    /// Why it matters: where this is known from.
    pub fact: String,
}

/// The report of a measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// How it begins.
    #[serde(flatten)]
    pub head: Head,
    /// What was asked for.
    pub settings: Settings,
    /// Why it ended.
    pub ended: Ended,
    /// How long requests were sent, and their replies waited for; without the warm-up.
    pub elapsed_ns: u64,
    /// What became of the requests.
    pub account: Account,
    /// How often what went wrong, in the warm-up too.
    pub errors: Errors,
    /// The rate that the schedule asked for; None: there was none, each reply was followed by the next request.
    pub offered: Option<Rate>,
    /// The rate of right replies in the time that was measured.
    pub achieved: Rate,
    /// How many requests of the schedule were never sent, for want of a connection that was free.
    pub unsent: u64,
    /// The bytes of the requests that [`Self::achieved`] counts, without prefixes: so many went each way.
    pub throughput: Throughput,
    /// How long connecting took.
    pub connect: Summary,
    /// The replies' times from when their requests were due; None where there was no schedule.
    pub from_schedule: Option<Summary>,
    /// The replies' times from when their requests were sent.
    pub from_send: Summary,
}

/// What was asked for; None: no bound, or nothing of the kind.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Settings {
    /// How long a request is.
    pub size_bytes: u64,
    /// How many connections or flows there are.
    pub connections: u64,
    /// How many requests may be on their way on one connection.
    pub pipeline: u64,
    /// Requests a second on all connections together.
    pub rate_per_second: Option<u64>,
    /// From one request to the next.
    pub interval_ns: Option<u64>,
    /// A reply that takes longer is late.
    pub timeout_ns: u64,
    /// How long requests are sent before those that count.
    pub warmup_ns: u64,
    /// How long requests are sent that count.
    pub duration_ns: Option<u64>,
    /// How many requests are sent that count.
    pub count: Option<u64>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// All requests were sent.
    Count,
    /// The time was over.
    Duration,
    /// The user wanted it.
    Signal,
    /// The server could be reached no more.
    Failed,
}

/// So many in so much time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    /// So many.
    pub requests: u64,
    /// In so much time.
    pub duration_ns: u64,
    /// How many a second, to a thousandth; None: there was no time.
    pub per_second: Option<f64>,
}

/// So many bytes in so much time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Throughput {
    /// So many bytes each way.
    pub payload_bytes: u64,
    /// In so much time.
    pub duration_ns: u64,
    /// How many a second; None: there was no time.
    pub bytes_per_second: Option<u64>,
}

impl Rate {
    /// So many requests in so much time.
    pub fn of(requests: u64, duration_ns: u64) -> Rate {
        let per_second = (duration_ns > 0).then(|| (requests as f64 * 1e12 / duration_ns as f64).round() / 1e3);
        Rate { requests, duration_ns, per_second }
    }

    /// The same in bytes.
    pub fn throughput(&self, size_bytes: u64) -> Throughput {
        let payload_bytes = self.requests.saturating_mul(size_bytes);
        let scaled = u128::from(payload_bytes) * 1_000_000_000;
        let bytes_per_second = scaled.checked_div(u128::from(self.duration_ns)).map(|bytes| bytes as u64);
        Throughput { payload_bytes, duration_ns: self.duration_ns, bytes_per_second }
    }
}

/// A report as one line of JSON.
pub fn json(report: &impl Serialize) -> String {
    let mut json = serde_json::to_string(report).expect("a report of strings and numbers is always JSON");
    json.push('\n');
    json
}

/// As ping ends.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, kind) = (&self.head.target, self.head.kind);
        let name = if kind == Kind::Ping { "ping" } else { "load" };
        writeln!(f, "--- {}:{} {name} statistics ---", target.host, target.port)?;
        writeln!(f, "{}, time {} ms", self.account, Milliseconds(self.elapsed_ns))?;
        if kind == Kind::Load || self.errors.total() > 0 {
            writeln!(f, "errors         {}", self.errors)?;
        }
        if kind == Kind::Load {
            self.rates(f)?;
        }
        times(f, "connect", &self.connect)?;
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
    fn a_rate_over_no_time_is_none_and_not_nan() {
        assert_eq!(Rate::of(0, 0).per_second, None);
        assert_eq!(Rate::of(0, 0).throughput(64).bytes_per_second, None);
        assert_eq!(Rate::of(1, 3_000_000_000).per_second, Some(0.333));
        assert_eq!(Rate::of(2, 1_000_000_000).throughput(64).bytes_per_second, Some(128));
    }

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
