//! Test whether a server is a good TCP echo server, point by point.
//!
//! Its partner is any TCP echo server: ours, a student's, one behind a load balancer. What is checked stands in
//! `check/catalogue.rs`; how, in `alone.rs` (one client), `company.rs` (several at once) and `rude.rs` (clients that leave as
//! they like).

mod alone;
mod catalogue;
mod client;
mod company;
mod manner;
mod reply;
mod report;
mod rude;
mod server;

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use common::berkeley::close;
use common::prefix::Prefix;
use common::{cli, exit, listener};

use crate::NAME;
use catalogue::{ALL, Entry};
use report::{Report, Verdict};
use server::{Condition, Server};

/// Test whether a server is a good TCP echo server, point by point
///
/// Each check is a line of TAP, the Test Anything Protocol; below one that fails stands what was seen, what it means, and why
/// it matters. A server that does not survive a check ends the run.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    server: cli::Server,

    /// Text that the server puts before each piece of its reply [default: found out]
    #[arg(long, value_name = "TEXT")]
    prefix: Option<Prefix>,

    /// How long each check may take; a server far away may need more
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::some_duration)]
    timeout: Duration,

    /// Make only this check, and others that are named in this way
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(ALL.map(|entry| entry.name)))]
    only: Vec<String>,

    /// Print the names of the checks, and make none
    #[arg(long)]
    list: bool,

    /// Print one JSON document at the end instead
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trace: cli::Trace,
}

/// Makes the checks, one after the other, and tells how each ended.
///
/// Errors: there is no server, or a check has failed.
pub fn run(options: Options) -> Result<()> {
    if options.list {
        ALL.iter().for_each(|entry| listener::say(&format!("{:<16}{}\n", entry.name, entry.duty)));
        return Ok(());
    }
    options.trace.turn_on(NAME)?;
    let wanted = |entry: &&Entry| options.only.is_empty() || options.only.iter().any(|name| name == entry.name);
    let checks: Vec<&'static Entry> = ALL.iter().filter(wanted).collect();
    let mut report = Report::new(&options.server.host, options.server.port, options.json);
    report.plan(checks.len())?;
    let server = match meet(options, &mut report) {
        Ok(server) => server,
        Err(error) => {
            report.bail_out(&exit::describe(&error))?;
            return Err(error);
        }
    };
    for entry in checks {
        if let Some(end) = make(entry, &server, &mut report)? {
            report.bail_out(&end)?;
            break;
        }
    }
    let (made, failed) = report.end()?;
    if failed > 0 {
        bail!("cannot call {} a good echo server: {failed} of {made} checks failed", server.address);
    }
    Ok(())
}

/// Finds the server, and finds out how it answers.
fn meet(options: Options, report: &mut Report) -> Result<Server> {
    let (connection, address) = Server::find(&options.server, options.timeout)?;
    report.found(&address)?;
    let manner = manner::of(&connection, options.prefix, options.timeout);
    close(connection);
    let manner = match manner {
        Ok(manner) => manner,
        Err(error) => {
            report.judge(&ALL[0], &Verdict::Failed(exit::describe(&error)))?;
            report.end()?;
            return Err(error).with_context(|| format!("cannot take {address} for an echo server"));
        }
    };
    report.comment(&manner.to_string())?;
    Ok(Server::new(options.server, address, manner, options.timeout))
}

/// Makes one check, looks whether the server has survived it, and tells both. The text says why no other check makes sense.
fn make(entry: &'static Entry, server: &Server, report: &mut Report) -> Result<Option<String>> {
    let verdict = verdict_of((entry.run)(&server.visit()));
    let (end, how) = match server.condition() {
        Condition::Serves => {
            report.judge(entry, &verdict)?;
            return Ok(None);
        }
        Condition::Gone(how) => ("the server has gone", how),
        Condition::Silent(how) => ("the server serves nobody any more", how),
    };
    let seen = match verdict {
        Verdict::Failed(seen) if seen.ends_with(&how) => format!("{end}; {seen}"),
        Verdict::Failed(seen) => format!("{seen}; then {end}: {how}"),
        _ => format!("{end}: {how}"),
    };
    report.judge(entry, &Verdict::Failed(seen))?;
    Ok(Some(format!("{end} since check {}", entry.name)))
}

fn verdict_of(result: Result<()>) -> Verdict {
    match result {
        Ok(()) => Verdict::Passed,
        Err(error) => match error.downcast::<Skipped>() {
            Ok(Skipped(why)) => Verdict::Skipped(why.to_owned()),
            Err(error) => Verdict::Failed(exit::describe(&error)),
        },
    }
}

/// There is nothing to check.
#[derive(Debug)]
struct Skipped(&'static str);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Skipped {}

/// Leaves a check, because this server can't have what it is about.
fn skip(why: &'static str) -> Result<()> {
    Err(Error::new(Skipped(why)))
}
