//! What is told of the checks: TAP, the Test Anything Protocol (version 14), as they go; or one document of JSON at the end.

use anyhow::{Result, bail};

use super::{Condition, Entry, Verdict};
use crate::address::Address;
use crate::screen;
use crate::stats::report::{Checked, Head, Point, json};

/// The width of the sentences below a failure.
const COLUMNS: usize = 100;

/// Tells how the checks end.
pub struct Report {
    checked: Checked,
    /// Told only in the end.
    as_json: bool,
    failed: Vec<&'static str>,
}

impl Report {
    /// Nothing told yet.
    pub fn new(head: Head, as_json: bool) -> Report {
        Report { checked: Checked { head, passed: 0, failed: 0, checks: Vec::new() }, as_json, failed: Vec::new() }
    }

    /// So many checks follow.
    ///
    /// Errors: stdout can't be written, here and below. That nobody reads it any more is none.
    pub fn plan(&mut self, checks: usize) -> Result<()> {
        self.say(&format!("TAP version 14\n1..{checks}\n"))
    }

    /// The server is found.
    ///
    /// Errors: as [`Self::plan`].
    pub fn found(&mut self, address: &Address) -> Result<()> {
        self.checked.head.target.address = address.to_string();
        self.say(&format!("# server: {address}\n"))
    }

    /// Something worth knowing, line by line.
    ///
    /// Errors: as [`Self::plan`].
    pub fn comment(&mut self, text: &str) -> Result<()> {
        let lines: String = text.lines().map(|line| format!("# {line}\n")).collect();
        self.say(&lines)
    }

    /// A check has ended so, and left the server in this condition. False: no other check makes sense any more.
    ///
    /// Errors: as [`Self::plan`].
    pub fn made<R>(&mut self, entry: &Entry<R>, result: Result<()>, condition: Condition) -> Result<bool> {
        let verdict = Verdict::from(result);
        let (end, how) = match condition {
            Condition::Serves => {
                self.judge(entry, &verdict)?;
                return Ok(true);
            }
            Condition::Gone(how) => ("the server has gone", how),
            Condition::Silent(how) => ("the server serves nobody any more", how),
        };
        let seen = match verdict {
            Verdict::Failed(seen) if seen.ends_with(&how) => format!("{end}; {seen}"),
            Verdict::Failed(seen) => format!("{seen}; then {end}: {how}"),
            _ => format!("{end}: {how}"),
        };
        self.judge(entry, &Verdict::Failed(seen))?;
        self.bail_out(&format!("{end} since check {}", entry.name))?;
        Ok(false)
    }

    /// A check has ended.
    ///
    /// Errors: as [`Self::plan`].
    pub fn judge<R>(&mut self, entry: &Entry<R>, verdict: &Verdict) -> Result<()> {
        let passed = !matches!(verdict, Verdict::Failed(_));
        match passed {
            true => self.checked.passed += 1,
            false => self.failed.push(entry.name),
        }
        let (name, fact) = (entry.name.to_owned(), entry.fact.to_owned());
        self.checked.checks.push(Point { name, passed, detail: detail(entry, verdict), fact });
        self.say(&point(self.checked.checks.len(), entry, verdict))
    }

    /// The rest makes no sense any more.
    ///
    /// Errors: as [`Self::plan`].
    pub fn bail_out(&mut self, why: &str) -> Result<()> {
        self.say(&format!("Bail out! {why}\n"))
    }

    /// Says which checks have failed.
    ///
    /// Errors: some have; stdout can't be written.
    pub fn end(&mut self) -> Result<()> {
        let (made, failed) = (self.checked.checks.len(), self.failed.len());
        self.checked.failed = failed as u64;
        if self.as_json {
            screen::print(json(&self.checked))?;
        }
        match failed {
            0 => self.say(&format!("# all {made} checks passed\n")),
            _ => {
                self.say(&format!("# {failed} of {made} checks failed: {}\n", self.failed.join(", ")))?;
                let address = &self.checked.head.target.address;
                bail!("cannot call {address} a good echo server: {failed} of {made} checks failed")
            }
        }
    }

    fn say(&mut self, text: &str) -> Result<()> {
        if !self.as_json {
            screen::print(text)?;
        }
        Ok(())
    }
}

/// A line of TAP, and what is to be said about a failure: a block of YAML.
fn point<R>(number: usize, entry: &Entry<R>, verdict: &Verdict) -> String {
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

fn detail<R>(entry: &Entry<R>, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => entry.duty.to_owned(),
        Verdict::Skipped(why) => format!("skipped: {why}"),
        Verdict::Failed(seen) => format!("{seen}. {}", entry.meaning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<()> = Entry {
        name: "half-close",
        duty: "everything still comes back",
        meaning: "It ends when its input does.",
        fact: "The other direction lives on (RFC 9293).",
        run: (),
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
