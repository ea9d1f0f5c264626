//! What a conformance test of any echo server is made of: entries, each with a duty of a good server and what it means if one
//! fails it, verdicts, and the report of them. What is tried is up to the client: its catalogue and its servers.

mod report;

use std::fmt;

use anyhow::{Error, Result};

use crate::{Errno, exit, screen};

pub use report::Report;

/// One thing that a good server does; `R` is how it is tried.
pub struct Entry<R> {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What a good server does.
    pub duty: &'static str,
    /// What a failure says about a server.
    pub meaning: &'static str,
    /// Why that is so, with a source.
    pub fact: &'static str,
    /// Tries it. The error is what was seen instead.
    pub run: R,
}

/// Prints the names of the checks, and what each is about.
///
/// Errors: stdout can't be written.
pub fn list<R>(all: &[Entry<R>]) -> Result<()> {
    let lines: String = all.iter().map(|entry| format!("{:<16}{}\n", entry.name, entry.duty)).collect();
    screen::print(lines).map(drop)
}

/// The checks with these names; all of them, if there are none.
pub fn wanted<R>(all: &'static [Entry<R>], names: &[String]) -> Vec<&'static Entry<R>> {
    all.iter().filter(|entry| names.is_empty() || names.iter().any(|name| name == entry.name)).collect()
}

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

impl From<Result<()>> for Verdict {
    fn from(result: Result<()>) -> Verdict {
        match result {
            Ok(()) => Verdict::Passed,
            Err(error) => match error.downcast::<Skipped>() {
                Ok(Skipped(why)) => Verdict::Skipped(why),
                Err(error) => match our_shortage(&error) {
                    Some(why) => Verdict::Skipped(why),
                    None => Verdict::Failed(exit::describe(&error)),
                },
            },
        }
    }
}

/// What to say if it is us who have too few descriptors to meet a server, or the machine. No server can do anything about that.
/// None: it is something else.
pub fn our_shortage(error: &Error) -> Option<String> {
    let errno = error.root_cause().downcast_ref();
    #[cfg(unix)]
    let is_of_the_machine = errno == Some(&Errno::NFILE);
    #[cfg(windows)]
    let is_of_the_machine = false;
    let is_one = is_of_the_machine || errno == Some(&Errno::MFILE);
    is_one.then(|| format!("{}: see ulimit -n", exit::describe(error)))
}

/// Whether there is still a server after a check.
pub enum Condition {
    /// A client is served.
    Serves,
    /// Nothing listens there any more.
    Gone(String),
    /// Clients are let in, perhaps, but not served.
    Silent(String),
    /// That can't be found out from here, and why.
    Unknown(String),
}

impl Condition {
    /// A client has come to nothing, for this reason.
    pub fn after(error: &Error) -> Condition {
        our_shortage(error).map_or_else(|| Condition::Silent(exit::describe(error)), Condition::Unknown)
    }
}

/// There is nothing to check.
#[derive(Debug)]
struct Skipped(String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Skipped {}

/// Leaves a check, because this server can't have what it is about, or it can't be made from here.
///
/// Errors: always; the verdict is made of it.
pub fn skip<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::new(Skipped(why.into())))
}
