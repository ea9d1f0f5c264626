//! What is told of the checks: TAP, the Test Anything Protocol (version 14), as they go; or one document of JSON at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Condition, Entry, Verdict};
use crate::address::Address;
use crate::screen;
use crate::signal::Stop;
use crate::stats::report::{self, Checked, Head, Manner, Point, json};
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
    stop: Arc<Stop>,
    /// All is told.
    is_over: bool,
    checked: Checked,
    /// Told only in the end.
    as_json: bool,
    failed: Vec<&'static str>,
    skipped: Vec<&'static str>,
}

impl Report {
    /// Nothing told yet. Whoever stops reading what is told doesn't keep it from ending when `stop` is asked for.
    pub fn new(head: Head, as_json: bool, stop: Stop) -> Report {
        let (manner, bail_out, checks) = (None, None, Vec::new());
        let checked = Checked { head, manner, planned: 0, passed: 0, failed: 0, skipped: 0, bail_out, checks };
        let (failed, skipped) = (Vec::new(), Vec::new());
        let told = Told { stop: Arc::new(stop), is_over: false, checked, as_json, failed, skipped };
        Report(Arc::new(Mutex::new(told)))
    }

    /// So many checks follow.
    ///
    /// Errors: stdout can't be written, here and below. That nobody reads it any more is none.
    pub fn plan(&self, checks: usize) -> Result<()> {
        let mut told = self.told();
        told.checked.planned = checks as u64;
        told.say(&format!("TAP version 14\n1..{checks}\n"))
    }

    /// The server is found.
    ///
    /// Errors: as [`Self::plan`].
    pub fn found(&self, address: &Address) -> Result<()> {
        let mut told = self.told();
        told.checked.head.target.address = address.to_string();
        told.say(&format!("# server: {address}\n"))
    }

    /// The server answers in this manner, in these words for people.
    ///
    /// Errors: as [`Self::plan`].
    pub fn answers(&self, manner: Manner, words: &str) -> Result<()> {
        let mut told = self.told();
        told.checked.manner = Some(manner);
        let lines: String = words.lines().map(|line| format!("# {line}\n")).collect();
        told.say(&lines)
    }

    /// A check has ended so, and left the server in this condition. False: no other check makes sense any more.
    ///
    /// Errors: as [`Self::plan`].
    pub fn made<R>(&self, entry: &Entry<R>, result: Result<()>, condition: Condition) -> Result<bool> {
        let mut verdict = Verdict::from(result);
        let (end, how) = match condition {
            Condition::Gone(how) => ("the server has gone", how),
            Condition::Silent(how) => ("the server serves nobody any more", how),
            Condition::Serves | Condition::Unknown(_) => {
                // Who can't ask doesn't know whether the server has survived the check.
                if let (Condition::Unknown(why), Verdict::Passed) = (condition, &verdict) {
                    verdict = Verdict::Skipped(format!("whether the server still serves is not known: {why}"));
                }
                self.judge(entry, &verdict)?;
                return Ok(true);
            }
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
        let short = match verdict {
            Verdict::Passed => {
                told.checked.passed += 1;
                report::Verdict::Passed
            }
            Verdict::Skipped(_) => {
                told.checked.skipped += 1;
                told.skipped.push(entry.name);
                report::Verdict::Skipped
            }
            Verdict::Failed(_) => {
                told.checked.failed += 1;
                told.failed.push(entry.name);
                report::Verdict::Failed
            }
        };
        let Entry { name, duty, fact, .. } = *entry;
        told.checked.checks.push(Point { name, duty, verdict: short, detail: detail(entry, verdict), fact });
        told.say(&point(told.checked.checks.len(), entry, verdict))
    }

    /// The rest makes no sense any more.
    ///
    /// Errors: as [`Self::plan`].
    pub fn bail_out(&self, why: &str) -> Result<()> {
        self.told().bail_out(why)
    }

    /// Says how it went in all, or prints the document.
    ///
    /// Errors: as [`Self::plan`].
    pub fn close(&self) -> Result<()> {
        self.told().close()
    }

    /// As [`Self::close`], when all checks were made that could be.
    ///
    /// Errors: some have failed; stdout can't be written.
    pub fn end(&self) -> Result<()> {
        let mut told = self.told();
        told.close()?;
        let (made, failed, address) = (told.checked.checks.len(), told.failed.len(), &told.checked.head.target.address);
        if failed > 0 {
            bail!("cannot call {address} a good echo server: {failed} of {made} checks failed");
        }
        Ok(())
    }

    /// Waits until the user wants no more; then says so, and how the checks went that were made, and ends the program with the
    /// status that a shell shows for the signal, unless it ends anyway. It is for a thread of its own.
    pub fn end_when_asked(&self) {
        let stop = Arc::clone(&self.told().stop);
        while !stop.is_asked() {
            // An error would come again at once.
            if pause(&stop, Some(LONG)).is_err() {
                thread::sleep(PAUSE);
            }
        }
        // Whoever has something to tell now waits here for the end.
        let mut told = self.told();
        if !told.is_over {
            let _ = told.bail_out("interrupted").and_then(|()| told.close());
            std::process::exit(stop.status())
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// The first reason is the one that counts.
    fn bail_out(&mut self, why: &str) -> Result<()> {
        if self.checked.bail_out.is_some() {
            return Ok(());
        }
        self.checked.bail_out = Some(why.to_owned());
        self.say(&format!("Bail out! {why}\n"))
    }

    fn close(&mut self) -> Result<()> {
        self.is_over = true;
        if self.as_json {
            return screen::print_until(json(&self.checked), &self.stop).map(drop);
        }
        let (made, passed) = (self.checked.checks.len(), self.checked.passed);
        let sum = match self.failed.as_slice() {
            _ if made == 0 => return Ok(()),
            [] if passed == self.checked.planned => format!("all {made} checks passed"),
            [] => format!("{passed} of {} checks passed", self.checked.planned),
            failed => format!("{} of {made} checks failed: {}", failed.len(), failed.join(", ")),
        };
        let skipped = match self.skipped.as_slice() {
            [] => String::new(),
            skipped => format!("; {} skipped: {}", skipped.len(), skipped.join(", ")),
        };
        self.say(&format!("# {sum}{skipped}\n"))
    }

    fn say(&self, text: &str) -> Result<()> {
        if !self.as_json {
            screen::print_until(text, &self.stop)?;
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
