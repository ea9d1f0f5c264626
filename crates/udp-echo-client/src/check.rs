//! Test whether a server is a good UDP echo server, point by point.
//!
//! Its partner is any UDP echo server: ours, a student's, one of an operating system. What is checked stands in
//! `check/catalogue.rs`; how, in `alone.rs` (one client) and `company.rs` (several, or clients that leave as they like).

mod alone;
mod catalogue;
mod client;
mod company;
mod manner;
mod server;

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;
use common::check::{Report, Verdict, list, our_shortage, wanted};
use common::prefix::Prefix;
use common::signal::Stop;
use common::stats::report::{Head, Kind, Target};
use common::{cli, exit};

use crate::unreachable::is_unreachable;
use crate::{NAME, PROGRAM, flow};
use catalogue::ALL;
use server::Server;

/// Test whether a server is a good UDP echo server, point by point
///
/// Each check is a line of TAP, the Test Anything Protocol; below one that fails stands what was seen, what it means, and why
/// it matters. A server that does not survive a check ends the run.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    server: cli::Server,

    /// Text that the server puts before its replies [default: found out]
    #[arg(long, value_name = "TEXT")]
    prefix: Option<Prefix>,

    /// How long each check may take, besides the way there and back; what does not come back until then is taken for lost by
    /// the server
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = cli::some_duration)]
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
        return list(&ALL);
    }
    options.trace.turn_on(NAME)?;
    let checks = wanted(&ALL, &options.only);
    let head = Head::new(Kind::Check, PROGRAM, Target::of(&options.server));
    let report = Report::new(head, options.json, Stop::on_signals()?);
    stop_when_asked(&report)?;
    report.plan(checks.len())?;
    let server = match meet(options, &report) {
        Ok(server) => server,
        Err(error) => {
            report.bail_out(&exit::describe(&error))?;
            report.close()?;
            return Err(error);
        }
    };
    for entry in checks {
        let result = (entry.run)(&server.visit());
        if !report.made(entry, result, server.condition())? {
            break;
        }
    }
    report.end()
}

/// Has Ctrl-C end the run with what there is to tell, whatever a check is waiting for.
///
/// Errors: signals can't be handled; there is no thread for it.
fn stop_when_asked(report: &Report) -> Result<()> {
    let report = report.clone();
    thread::Builder::new().spawn(move || report.end_when_asked()).context("cannot start a thread")?;
    Ok(())
}

/// Finds the server, and finds out how it answers.
fn meet(options: Options, report: &Report) -> Result<Server> {
    let address = flow::find(&options.server.host, options.server.port, options.timeout)?;
    report.found(&address)?;
    match manner::of(&address, options.prefix, options.timeout) {
        Ok(manner) => {
            report.answers(manner.told(), &manner.to_string())?;
            Ok(Server::new(address, manner, options.timeout))
        }
        Err(error) => {
            if let Some(errno) = error.root_cause().downcast_ref().copied().filter(|errno| is_unreachable(*errno)) {
                // Nothing is there that could be wrong.
                return Err(errno).with_context(|| format!("cannot reach {address}"));
            }
            if our_shortage(&error).is_some() {
                return Err(error);
            }
            report.judge(&ALL[0], &Verdict::Failed(exit::describe(&error)))?;
            Err(error).with_context(|| format!("cannot take {address} for an echo server"))
        }
    }
}
