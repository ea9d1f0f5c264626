//! The end of a run: what is printed for people, and the same for tools, as one JSON document.
//!
//! `report.schema.json` in this crate's folder says what may stand in it, and tests hold the programs to that. A change that
//! would break a reader of it needs a new [`SCHEMA`].

mod checked;
mod text;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{Account, Causes, Errors, Summary};
use crate::cli;

pub use checked::{Checked, Manner, Point, Verdict};
pub use text::Milliseconds;

/// The name and version of the JSON documents' form.
pub const SCHEMA: &str = "berkeley-report/2";

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
    #[serde(flatten)]
    pub(crate) program: Program,
    /// About whom.
    pub target: Target,
    started_unix_ns: u64,
}

/// Who reports.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Program {
    /// The program's name.
    #[serde(rename = "program")]
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it speaks: `tcp` or `udp`.
    pub transport: &'static str,
}

/// The server.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// As the user called it.
    pub host: String,
    /// Its port; None: it is a socket in the file system.
    pub port: Option<u16>,
    /// The address that was used; nothing: none was found.
    pub address: String,
}

impl Target {
    /// The server that a user means, before any address of it has been found.
    pub fn of(server: &cli::Server) -> Target {
        let port = (!server.host.starts_with("unix:")).then_some(server.port);
        Target { host: server.host.clone(), port, address: String::new() }
    }
}

impl Head {
    /// The report of a run that begins now.
    pub fn new(kind: Kind, program: Program, target: Target) -> Head {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_unix_ns = since.as_nanos() as u64;
        Head { schema: SCHEMA, kind, program, target, started_unix_ns }
    }
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
    /// What the system said of those that are unreachable or other.
    pub causes: Causes,
    /// What the user may do about it; only people are told.
    #[serde(skip)]
    pub hint: Option<&'static str>,
    /// Why the account may not be exact; that is said on stderr.
    #[serde(skip)]
    pub doubt: Option<String>,
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
    /// How much the replies' times vary from one to the next, as RFC 3550 has it; None: it was not measured.
    pub jitter_ns: Option<u64>,
    /// The runs at other rates by which the rate of this one was found, and then [`Self::ended`] is about all of them; None: it was
    /// not looked for.
    pub search: Option<Vec<Trial>>,
}

/// A run at one rate, on the way to the highest that a server can bear.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    /// The rate that was asked for.
    pub rate_per_second: u64,
    /// How many requests were sent, or should have been.
    pub offered: u64,
    /// How many of them were not answered as they should have been.
    pub missing: u64,
    /// Whether that is little enough.
    pub passed: bool,
}

/// What was asked for; None: no bound, or nothing of the kind.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// How long a request is.
    pub size_bytes: u64,
    /// How many connections or flows there are.
    pub connections: u64,
    /// How many requests may be on their way on one connection.
    pub pipeline: u64,
    /// How many requests are handed to the kernel as one.
    pub train: u64,
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

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            size_bytes: 0,
            connections: 1,
            pipeline: 1,
            train: 1,
            rate_per_second: None,
            interval_ns: None,
            timeout_ns: 0,
            warmup_ns: 0,
            duration_ns: None,
            count: None,
        }
    }
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
    /// The server could be reached no more, or not at all.
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

impl Measured {
    /// The report as it is printed: for people, or as JSON.
    pub fn text(&self, as_json: bool) -> String {
        if as_json { json(self) } else { self.to_string() }
    }
}

/// A report as one line of JSON.
pub fn json(report: &impl Serialize) -> String {
    let mut json = serde_json::to_string(report).expect("a report of strings and numbers is always JSON");
    json.push('\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_over_no_time_is_none_and_not_nan() {
        assert_eq!(Rate::of(0, 0).per_second, None);
        assert_eq!(Rate::of(0, 0).throughput(64).bytes_per_second, None);
        assert_eq!(Rate::of(1, 3_000_000_000).per_second, Some(0.333));
        assert_eq!(Rate::of(2, 1_000_000_000).throughput(64).bytes_per_second, Some(128));
    }
}
