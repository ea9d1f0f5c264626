//! What is told of the checks: TAP, the Test Anything Protocol (version 14), as they go; or one document of JSON at the end.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use common::address::Address;
use serde::Serialize;

use super::catalogue::Entry;
use crate::NAME;
use crate::stdio::Output;

/// The name and version of the form of the JSON document: see `report.schema.json` beside the crate `common`.
const SCHEMA: &str = "berkeley-report/1";
/// The width of the sentences below a failure.
const COLUMNS: usize = 100;

/// How a check ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server does what it should.
    Passed,
    /// There is nothing to check, and why.
    Skipped(String),
    /// What was seen instead.
    Failed(String),
}

/// Tells how the checks end.
pub struct Report {
    output: Output,
    /// Gathered for the end, if that is what was asked for.
    document: Option<Document>,
    passed: usize,
    failed: Vec<&'static str>,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    kind: &'static str,
    program: &'static str,
    version: &'static str,
    transport: &'static str,
    target: Target,
    started_unix_ns: u64,
    passed: usize,
    failed: usize,
    checks: Vec<Line>,
}

#[derive(Serialize)]
struct Target {
    host: String,
    port: u16,
    address: String,
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    passed: bool,
    detail: String,
    fact: &'static str,
}

impl Report {
    /// Nothing told yet.
    pub fn new(host: &str, port: u16, as_json: bool) -> Report {
        let document = as_json.then(|| Document {
            schema: SCHEMA,
            kind: "check",
            program: NAME,
            version: env!("CARGO_PKG_VERSION"),
            transport: "tcp",
            target: Target { host: host.to_owned(), port, address: String::new() },
            started_unix_ns: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64),
            passed: 0,
            failed: 0,
            checks: Vec::new(),
        });
        Report { output: Output::default(), document, passed: 0, failed: Vec::new() }
    }

    /// So many checks follow.
    ///
    /// Errors: stdout can't be written, here and below. That nobody reads it any more is none.
    pub fn plan(&mut self, checks: usize) -> Result<()> {
        self.say(&format!("TAP version 14\n1..{checks}\n"))
    }

    /// The server is found.
    pub fn found(&mut self, address: &Address) -> Result<()> {
        if let Some(document) = &mut self.document {
            document.target.address = address.to_string();
        }
        self.say(&format!("# server: {address}\n"))
    }

    /// Something worth knowing, line by line.
    pub fn comment(&mut self, text: &str) -> Result<()> {
        let lines: String = text.lines().map(|line| format!("# {line}\n")).collect();
        self.say(&lines)
    }

    /// A check has ended.
    pub fn judge(&mut self, entry: &'static Entry, verdict: &Verdict) -> Result<()> {
        let is_passed = !matches!(verdict, Verdict::Failed(_));
        match is_passed {
            true => self.passed += 1,
            false => self.failed.push(entry.name),
        }
        if let Some(document) = &mut self.document {
            let detail = detail(entry, verdict);
            document.checks.push(Line { name: entry.name, passed: is_passed, detail, fact: entry.fact });
        }
        self.say(&point(self.passed + self.failed.len(), entry, verdict))
    }

    /// The rest makes no sense any more.
    pub fn bail_out(&mut self, why: &str) -> Result<()> {
        self.say(&format!("Bail out! {why}\n"))
    }

    /// Says which checks have failed, and returns how many were made and how many failed.
    pub fn end(&mut self) -> Result<(usize, usize)> {
        let failed = self.failed.len();
        let made = self.passed + failed;
        match failed {
            0 => self.say(&format!("# all {made} checks passed\n"))?,
            _ => self.say(&format!("# {failed} of {made} checks failed: {}\n", self.failed.join(", ")))?,
        }
        if let Some(mut document) = self.document.take() {
            document.passed = self.passed;
            document.failed = failed;
            let mut json = serde_json::to_vec(&document)?;
            json.push(b'\n');
            self.output.write(&json)?;
        }
        Ok((made, failed))
    }

    fn say(&mut self, text: &str) -> Result<()> {
        if self.document.is_none() {
            self.output.write(text.as_bytes())?;
        }
        Ok(())
    }
}

/// A line of TAP, and what is to be said about a failure: a block of YAML.
fn point(number: usize, entry: &Entry, verdict: &Verdict) -> String {
    let point = format!("ok {number} - {}: {}", entry.name, entry.duty);
    match verdict {
        Verdict::Passed => point + "\n",
        Verdict::Skipped(why) => format!("{point} # SKIP {why}\n"),
        Verdict::Failed(seen) => {
            let sentences = [("seen", seen.as_str()), ("means", entry.meaning), ("fact", entry.fact)];
            let block: String = sentences.iter().map(|(key, text)| folded(key, text)).collect();
            format!("not {point}\n  ---\n{block}  ...\n")
        }
    }
}

/// `key: text` as YAML has it for text of any length: lines that a reader joins with spaces.
fn folded(key: &str, text: &str) -> String {
    let mut lines = format!("  {key}: >-");
    let mut column = usize::MAX;
    for word in text.split_ascii_whitespace() {
        if column.saturating_add(1 + word.len()) > COLUMNS {
            lines += "\n    ";
            column = 4;
        } else {
            lines += " ";
            column += 1;
        }
        lines += word;
        column += word.len();
    }
    lines + "\n"
}

fn detail(entry: &Entry, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => entry.duty.to_owned(),
        Verdict::Skipped(why) => format!("skipped: {why}"),
        Verdict::Failed(seen) => format!("{seen}. {}", entry.meaning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry = Entry {
        name: "half-close",
        duty: "everything still comes back",
        meaning: "It ends when its input does.",
        fact: "The other direction lives on (RFC 9293).",
        run: |_| Ok(()),
    };

    #[test]
    fn a_check_that_passes_is_one_line() {
        assert_eq!(point(3, &ENTRY, &Verdict::Passed), "ok 3 - half-close: everything still comes back\n");
    }

    #[test]
    fn a_check_that_is_skipped_says_why() {
        let skipped = Verdict::Skipped("no such thing here".to_owned());
        let line = "ok 1 - half-close: everything still comes back # SKIP no such thing here\n";
        assert_eq!(point(1, &ENTRY, &skipped), line);
    }

    #[test]
    fn a_failure_says_what_was_seen_what_it_means_and_why() {
        let failed = Verdict::Failed("0 of 3 bytes had come back".to_owned());
        let lines = "not ok 7 - half-close: everything still comes back\n  ---\n  seen: >-\n    \
                     0 of 3 bytes had come back\n  means: >-\n    It ends when its input does.\n  fact: >-\n    \
                     The other direction lives on (RFC 9293).\n  ...\n";
        assert_eq!(point(7, &ENTRY, &failed), lines);
        assert_eq!(detail(&ENTRY, &failed), "0 of 3 bytes had come back. It ends when its input does.");
    }

    #[test]
    fn long_sentences_are_folded_at_spaces() {
        let text = "word ".repeat(60);
        let lines = folded("seen", &text);
        assert!(lines.lines().all(|line| line.len() <= COLUMNS) && lines.lines().count() == 5, "{lines}");
        let words: Vec<&str> = lines.split_whitespace().skip(2).collect();
        assert_eq!(words.join(" "), text.trim_end());
    }
}
