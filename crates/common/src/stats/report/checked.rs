//! The report of a check: point by point, whether a server does what it should.

use serde::Serialize;

use super::Head;

/// The report of a check: point by point.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// How it begins.
    #[serde(flatten)]
    pub head: Head,
    /// How the server answers; None: that was not found out.
    pub manner: Option<Manner>,
    /// How many checks there were to be.
    pub planned: u64,
    /// How many the server has passed.
    pub passed: u64,
    /// How many it has not.
    pub failed: u64,
    /// How many can't be made of this server, or from here.
    pub skipped: u64,
    /// Why the rest of them was not made; None: there was no rest.
    pub bail_out: Option<String>,
    /// Those that were made or skipped, in their order.
    pub checks: Vec<Point>,
}

/// How a server answers, as far as it matters to its clients.
#[derive(Clone, Debug, Serialize)]
pub struct Manner {
    /// What it puts before its replies; nothing, as a rule.
    pub prefix: String,
    /// What it says before a client has said anything; nothing, as a rule.
    pub greeting: String,
    /// It answers what it has; otherwise it waits for the client's last word.
    pub at_once: bool,
}

/// One point of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What the server should do.
    pub duty: &'static str,
    /// Whether it does.
    pub verdict: Verdict,
    /// What happened.
    pub detail: String,
    /// Why it matters: where this is known from.
    pub fact: &'static str,
}

/// How a point of a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The server does what it should.
    Passed,
    /// It doesn't.
    Failed,
    /// That can't be found out.
    Skipped,
}
