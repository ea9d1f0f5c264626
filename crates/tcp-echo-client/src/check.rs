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
mod rude;
mod server;

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;
use common::berkeley::close;
use common::check::{Report, Verdict, list, wanted};
use common::listener::raise_descriptor_limit;
use common::prefix::Prefix;
use common::signal::Stop;
use common::stats::report::{Head, Kind, Target};
use common::{cli, exit};

use crate::{NAME, PROGRAM};
use catalogue::ALL;
use server::Server;

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

    /// How long each check may take, at least 500ms; a server far away may need more
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout)]
    timeout: Duration,

    /// Make only this check, and others that are named in this way
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(ALL.map(|entry| entry.name)))]
    only: Vec<String>,

    /// Print the names of the checks, and make none
    #[arg(long)]
    list: bool,

    /// Print one JSON document at the end instead; its form is report.schema.json in the sources of the crate common
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trace: cli::Trace,
}

/// Some checks see that nothing comes, which takes 200 ms each time: with less than this the time would be over before.
const LEAST_TIMEOUT: Duration = Duration::from_millis(500);

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = cli::some_duration(text)?;
    if timeout < LEAST_TIMEOUT { Err("500ms is the least".to_owned()) } else { Ok(timeout) }
}

/// Makes the checks, one after the other, and tells how each ended.
///
/// Errors: there is no server, or a check has failed.
pub fn run(options: Options) -> Result<()> {
    if options.list {
        return list(&ALL);
    }
    options.trace.turn_on(NAME)?;
    raise_descriptor_limit();
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
    let (connection, address) = Server::find(&options.server, options.timeout)?;
    report.found(&address)?;
    let manner = manner::of(&connection, options.prefix, options.timeout);
    close(connection);
    let manner = match manner {
        Ok(manner) => manner,
        Err(error) => {
            report.judge(&ALL[0], &Verdict::Failed(exit::describe(&error)))?;
            return Err(error).with_context(|| format!("cannot take {address} for an echo server"));
        }
    };
    report.answers(manner.told(), &manner.to_string())?;
    Ok(Server::new(options.server, address, manner, options.timeout))
}
