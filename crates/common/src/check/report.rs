//! What is told of the checks: TAP, the Test Anything Protocol (version 14), as they go; or one document of JSON at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Condition, Entry, Verdict};
use crate::address::Address;
use crate::screen;
use crate::signal::Stop;
use crate::stats::report::{Checked, Head, Point, json};
use crate::wait::pause;

/// The width of the sentences below a failure.
const COLUMNS: usize = 100;
/// A wait for the user ends when the user says so; this is only how long one call of it takes at most.
const LONG: Duration = Duration::from_secs(3600);
/// How often to look at the flag where such a wait isn't possible.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells how the checks end. Clones tell of the same ones: while one waits for the server, another can wait for the user.
#[derive(Clone)]
pub struct Report(Arc<Mutex<Told>>);

/// What has been told, or will be in the end.
struct Told {
    checked: Checked,
    /// Told only in the end.
    as_json: bool,
    failed: Vec<&'static str>,
}

impl Report {
    /// Nothing told yet.
    pub fn new(head: Head, as_json: bool) -> Report {
        let checked = Checked { head, passed: 0, failed: 0, checks: Vec::new() };
        Report(Arc::new(Mutex::new(Told { checked, as_json, failed: Vec::new() })))
    }

    /// So many checks follow.
    ///
    /// Errors: stdout can't be written, here and below. That nobody reads it any more is none.
    pub fn plan(&self, checks: usize) -> Result<()> {
        self.told().say(&format!("TAP version 14\n1..{checks}\n"))
    }

    /// The server is found.
    ///
    /// Errors: as [`Self::plan`].
    pub fn found(&self, address: &Address) -> Result<()> {
        let mut told = self.told();
        told.checked.head.target.address = address.to_string();
        told.say(&format!("# server: {address}\n"))
    }

    /// Something worth knowing, line by line.
    ///
    /// Errors: as [`Self::plan`].
    pub fn comment(&self, text: &str) -> Result<()> {
        let lines: String = text.lines().map(|line| format!("# {line}\n")).collect();
        self.told().say(&lines)
    }

    /// A check has ended so, and left the server in this condition. False: no other check makes sense any more.
    ///
    /// Errors: as [`Self::plan`].
    pub fn made<R>(&self, entry: &Entry<R>, result: Result<()>, condition: Condition) -> Result<bool> {
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
    pub fn judge<R>(&self, entry: &Entry<R>, verdict: &Verdict) -> Result<()> {
        let mut told = self.told();
        let passed = !matches!(verdict, Verdict::Failed(_));
        match passed {
            true => told.checked.passed += 1,
            false => {
                told.checked.failed += 1;
                told.failed.push(entry.name);
            }
        }
        let (name, fact) = (entry.name.to_owned(), entry.fact.to_owned());
        told.checked.checks.push(Point { name, passed, detail: detail(entry, verdict), fact });
        told.say(&point(told.checked.checks.len(), entry, verdict))
    }

    /// The rest makes no sense any more.
    ///
    /// Errors: as [`Self::plan`].
    pub fn bail_out(&self, why: &str) -> Result<()> {
        self.told().say(&format!("Bail out! {why}\n"))
    }

    /// Says which checks have failed.
    ///
    /// Errors: some have; stdout can't be written.
    pub fn end(&self) -> Result<()> {
        let told = self.told();
        let (made, failed) = (told.checked.checks.len(), told.failed.len());
        told.document()?;
        match failed {
            0 => told.say(&format!("# all {made} checks passed\n")),
            _ => {
                told.say(&format!("# {failed} of {made} checks failed: {}\n", told.failed.join(", ")))?;
                let address = &told.checked.head.target.address;
                bail!("cannot call {address} a good echo server: {failed} of {made} checks failed")
            }
        }
    }

    /// Waits until the user wants no more; then says so, and how the checks went that were made, and ends the program with the
    /// status that a shell shows for the signal. It is for a thread of its own.
    pub fn end_when_asked(&self, stop: &Stop) -> ! {
        while !stop.is_asked() {
            // An error would come again at once.
            if pause(stop, Some(LONG)).is_err() {
                thread::sleep(PAUSE);
            }
        }
        // Whoever has something to tell now waits here for the end.
        let told = self.told();
        let _ = told.say("Bail out! interrupted\n").and_then(|()| told.document());
        std::process::exit(stop.status())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn say(&self, text: &str) -> Result<()> {
        if !self.as_json {
            screen::print(text)?;
        }
        Ok(())
    }

    fn document(&self) -> Result<()> {
        if self.as_json {
            screen::print(json(&self.checked))?;
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
